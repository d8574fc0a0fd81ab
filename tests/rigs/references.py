"""Payloads in S3 and references to them, as the SDKs write both."""

import json
from base64 import b64encode
from typing import Any

BUCKET = "hostile-tests"
PREFIX = "v0/ns/default/wt/Order/wi/1/ri/null/d/sha256/"
TYPE = b"temporal.api.sdk.v1.ExternalStorageReference"
Json = dict[str, Any]


def stored(text: bytes) -> bytes:
    """A serialized payload of plain JSON."""
    from temporalio.api.common.v1 import Payload  # noqa: PLC0415

    return Payload(metadata={"encoding": b"json/plain"}, data=text).SerializeToString()


def reference(
    key: str,
    sha256: str,
    *,
    bucket: str = BUCKET,
    size: int | None = None,
    algorithm: str = "sha256",
) -> Json:
    """A payload that refers to an object."""
    claims = {"bucket": bucket, "key": key, "hash_algorithm": algorithm, "hash_value": sha256}
    data = json.dumps({"driverName": "aws.s3driver", "claimData": claims})
    metadata = {"encoding": encoded(b"json/protobuf"), "messageType": encoded(TYPE)}
    sizes: Json = {} if size is None else {"externalPayloads": [{"sizeBytes": str(size)}]}
    return {"metadata": metadata, "data": encoded(data.encode()), **sizes}


def encoded(value: bytes) -> str:
    """Bytes as JSON carries them."""
    return b64encode(value).decode()


def body(*payloads: Json) -> str:
    """A request with these payloads."""
    return json.dumps({"payloads": payloads})
