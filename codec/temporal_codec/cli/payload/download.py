"""An object from S3 into a file: all of it, and verified, or an error in sentences."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO

from temporal_codec.cli.aws_faults import meaning
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.payload.layers import MAX_BYTES
from temporal_codec.cli.progress import weighed
from temporal_codec.errors import PayloadError, Reason, StorageUnavailable
from temporal_codec.storage.fetch import pieces
from temporal_codec.storage.reference import AllowedReferences, Reference
from temporal_codec.storage.s3 import S3

# A person waits longer than a Lambda function may.
_DEADLINES = {"connect_timeout": 10, "read_timeout": 30}
_BROKEN_OFF = "It did not come to its end ({}). Run the command again."
_MEANINGS = {
    Reason.OBJECT_MISSING: "There is no such object. A lifecycle rule may have deleted it.",
    Reason.OBJECT_DENIED: "S3 does not give it to you: you need s3:GetObject, and kms:Decrypt on "
    "the key that the bucket encrypts with. It may also be archived, in another region "
    "(AWS_REGION), or missing: S3 says so too if you may not list the bucket.",
    Reason.OBJECT_CHANGED: "What lies there is not what the worker stored: its size or its SHA-256 "
    "is another. Nothing was written.",
    Reason.OBJECT_TOO_LARGE: f"It has over {MAX_BYTES >> 30} GiB. No worker stores that in one.",
}


def check(trusted: AllowedReferences, reference: Reference, namespace: str) -> None:
    """Raise CliError unless the reference leads to where the user said that it may."""
    try:
        trusted.check(reference, namespace)
    except PayloadError:
        raise CliError(
            f"The reference leads to {_place(reference)} by the driver "
            f"{json.dumps(reference.driver)}, which you did not allow: nothing was fetched. "
            f"Allowed is v0/ns/{namespace}/{' and v0/d/' * trusted.shared} in "
            f"{_list(trusted.buckets)} by {_list(trusted.drivers)}. Look at --namespace, --bucket, "
            "--driver and --shared, and at who wrote the reference."
        ) from None


def download(reference: Reference, file: IO[bytes]) -> None:
    """Write what a reference leads to; raises CliError, in which case the file is worth nothing."""
    with _sentences(reference, lambda code: meaning(code, "GetObject")):
        body = S3(**_DEADLINES).open(reference.bucket, reference.key)
    with closing(body), _sentences(reference, _BROKEN_OFF.format):
        if body.size > MAX_BYTES:
            raise PayloadError(Reason.OBJECT_TOO_LARGE)
        if reference.size not in (None, body.size):
            raise PayloadError(Reason.OBJECT_CHANGED)
        for piece in weighed(pieces(body, reference.sha256), "Downloading", body.size):
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
    # A stranger wrote it, and a terminal must not interpret it.
    return json.dumps(f"s3://{reference.bucket}/{reference.key}")


def _list(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
