"""References: what an SDK leaves in a payload's place when it puts the payload into S3.

There are two forms of one content, a driver's name and its claim:

    encoding     json/protobuf, with the messageType of REFERENCE_TYPE
    data         {"driverName": …, "claimData": {"bucket": …, "key": …, "hash_algorithm": "sha256",
                 "hash_value": …}}

    encoding     json/external-storage-reference, which is the older one
    data         {"driver_name": …, "driver_claim": {"claim_data": {…}}}

The payload's size in S3 stands beside it, as the size of its external payload.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from temporal_codec.errors import PayloadError, Reason
from temporal_codec.namespace import check_namespace
from temporal_codec.payload import ENCODING

REFERENCE_TYPE = b"temporal.api.sdk.v1.ExternalStorageReference"
_PROTOBUF = b"json/protobuf"
DRIVER = "aws.s3driver"  # the SDKs' default name
_LEGACY = b"json/external-storage-reference"
MAX_REFERENCE_BYTES = 8192  # a key has at most 1,024, a bucket's name 63
MAX_KEY_BYTES = 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Printable ASCII: whatever else a name holds, the SDKs write percent-encoded.
_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY_BYTES}}}")


class Reference(msgspec.Struct, frozen=True):
    """Where a payload is, and what it must be. A caller wrote it, so nothing in it is trusted."""

    driver: str
    bucket: str
    key: str
    sha256: str
    """Of the serialized payload, in lower-case hexadecimal digits."""
    size: int | None = msgspec.field(default=None)
    """Its size in S3 in bytes, according to the reference."""


# Members of other names are none of ours, and a name that stands twice gives its last value: the
# values that are used are those that are checked, and the bytes have to fit the hash.
class _Claim(msgspec.Struct):
    bucket: str
    key: str
    hash_algorithm: str
    hash_value: str


class _Current(msgspec.Struct, rename="camel"):
    driver_name: str
    claim_data: _Claim


class _LegacyClaim(msgspec.Struct):
    claim_data: _Claim


class _Legacy(msgspec.Struct):
    driver_name: str
    driver_claim: _LegacyClaim


def is_reference(metadata: Mapping[str, bytes]) -> bool:
    """Whether a payload with this metadata stands for one in S3."""
    encoding = metadata.get(ENCODING)
    if encoding == _PROTOBUF:
        return metadata.get("messageType") == REFERENCE_TYPE
    return encoding == _LEGACY


def read_reference(
    metadata: Mapping[str, bytes], data: bytes, sizes: Sequence[int] = ()
) -> Reference:
    """The reference that such a payload holds; raises PayloadError if it is invalid."""
    if len(data) > MAX_REFERENCE_BYTES:
        raise PayloadError(Reason.BAD_REFERENCE)
    try:
        driver, claim = _read(metadata[ENCODING], data)
    except (msgspec.MsgspecError, RecursionError):
        raise PayloadError(Reason.BAD_REFERENCE) from None
    if (
        claim.hash_algorithm != "sha256"
        or not _SHA256.fullmatch(claim.hash_value)
        or not _KEY.fullmatch(claim.key)
    ):
        raise PayloadError(Reason.BAD_REFERENCE)
    return Reference(driver, claim.bucket, claim.key, claim.hash_value, next(iter(sizes), None))


def _read(encoding: bytes, data: bytes) -> tuple[str, _Claim]:
    if encoding == _LEGACY:
        legacy = msgspec.json.decode(data, type=_Legacy)
        return legacy.driver_name, legacy.driver_claim.claim_data
    current = msgspec.json.decode(data, type=_Current)
    return current.driver_name, current.claim_data


class AllowedReferences(msgspec.Struct, frozen=True):
    """Which references are followed."""

    buckets: frozenset[str]
    drivers: frozenset[str]
    """Names under which workers registered their S3 drivers."""
    shared: bool = False
    """Whether objects that belong to no namespace may be read from every one."""

    def check(self, reference: Reference, namespace: str) -> None:
        """Raise PayloadError unless it leads into this namespace's part of a bucket of ours.

        The prefix holds the name as the SDKs write it, and no other spelling of it is taken.
        """
        prefixes = [f"v0/ns/{_in_a_key(check_namespace(namespace))}/"] + ["v0/d/"] * self.shared
        # S3 has no folders and keeps dots; software in between might not.
        walks = {"", ".", ".."} & set(reference.key.split("/"))
        inside = reference.key.startswith(tuple(prefixes)) and not walks
        if not inside or reference.bucket not in self.buckets:
            raise PayloadError(Reason.REFERENCE_REFUSED)
        if reference.driver not in self.drivers:
            raise PayloadError(Reason.REFERENCE_REFUSED)


def _in_a_key(namespace: str) -> str:
    # Bytes outside S3's list of safe characters are percent-encoded. A tilde, which is outside,
    # is always safe for `quote`.
    return quote(namespace, safe="!*'()").replace("~", "%7E")
