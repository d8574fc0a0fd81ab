"""Downloads an object from S3 to a file, whole and verified, or says why it cannot."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO

from temporal_codec.cli.aws_faults import meaning
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.payload.layers import MAX_BYTES
from temporal_codec.cli.progress import track_bytes
from temporal_codec.errors import PayloadError, Reason, StorageUnavailable
from temporal_codec.storage.fetch import pieces
from temporal_codec.storage.reference import AllowedReferences, Reference
from temporal_codec.storage.s3 import S3

# A person waits longer than a Lambda function may.
_DEADLINES = {"connect_timeout": 10, "read_timeout": 30}
_BROKEN_OFF = "The download broke off ({}). Run the command again."
_MEANINGS = {
    Reason.OBJECT_MISSING: "There is no such object. A lifecycle rule may have deleted it.",
    Reason.OBJECT_DENIED: "S3 denies access: you need s3:GetObject, and kms:Decrypt on the key "
    "that encrypts the bucket. The object may also be archived, in another region (AWS_REGION), "
    "or missing: without s3:ListBucket, S3 denies access to missing objects too.",
    Reason.OBJECT_CHANGED: "The object is not what the worker stored: its size or its SHA-256 "
    "differs. Nothing was written.",
    Reason.OBJECT_TOO_LARGE: f"The object has more than {MAX_BYTES >> 30} GiB. "
    "No worker stores as much.",
}


def check(trusted: AllowedReferences, reference: Reference, namespace: str) -> None:
    """Raise CliError unless the user allowed the place that the reference leads to."""
    try:
        trusted.check(reference, namespace)
    except PayloadError:
        raise CliError(
            f"The reference leads to {_place(reference)} with the driver "
            f"{json.dumps(reference.driver)}, which you did not allow. Nothing was downloaded. "
            f"You allowed v0/ns/{namespace}/{' and v0/d/' * trusted.shared} in "
            f"{_list(trusted.buckets)} with {_list(trusted.drivers)}. Check who wrote the "
            "reference; then set --namespace, --bucket, --driver or --shared."
        ) from None


def download(reference: Reference, file: IO[bytes]) -> None:
    """Write what a reference leads to; after a CliError the file is incomplete."""
    with _sentences(reference, lambda code: meaning(code, "GetObject")):
        body = S3(**_DEADLINES).open(reference.bucket, reference.key)
    with closing(body), _sentences(reference, _BROKEN_OFF.format):
        if body.size > MAX_BYTES:
            raise PayloadError(Reason.OBJECT_TOO_LARGE)
        if reference.size not in (None, body.size):
            raise PayloadError(Reason.OBJECT_CHANGED)
        for piece in track_bytes(pieces(body, reference.sha256), "Downloading", body.size):
            file.write(piece)


@contextmanager
def _sentences(reference: Reference, outage: Callable[[str], str]) -> Iterator[None]:
    try:
        yield
    except PayloadError as error:
        raise CliError(f"{_place(reference)}: {_MEANINGS[error.reason]}") from None
    except StorageUnavailable as error:
        raise CliError(f"{_place(reference)}: {outage(str(error))}") from None


def _place(reference: Reference) -> str:
    # A stranger wrote it: a terminal must not interpret it.
    return json.dumps(f"s3://{reference.bucket}/{reference.key}")


def _list(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
