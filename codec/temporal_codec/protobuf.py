"""The Payload message of Temporal's API, from a descriptor of our own.

Fields and numbers are those of ``temporal.api.common.v1.Payload``; the bytes are the same.
The SDK, whose native bridge takes a third of a second to load, stays out of the server.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol, Self, cast

from google.protobuf.message import DecodeError

from temporal_codec.errors import PayloadError, Reason
from temporal_codec.payload import Received


class PayloadMessage(Protocol):
    """The generated class, as far as it is used here."""

    metadata: Mapping[str, bytes]
    data: bytes
    external_payloads: Any

    @classmethod
    def FromString(cls, serialized: bytes) -> Self: ...  # noqa: D102, N802
    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: D102, N802


@cache
def message_class() -> type[PayloadMessage]:
    """The message class. Fields: metadata (string to bytes), data, external_payloads.

    Most payloads never become a message, and loading this takes a fifteenth of a cold start.
    """
    from google.protobuf.descriptor_pb2 import (  # noqa: PLC0415 — as above
        FieldDescriptorProto,
        FileDescriptorProto,
    )
    from google.protobuf.descriptor_pool import DescriptorPool  # noqa: PLC0415
    from google.protobuf.message_factory import GetMessageClass  # noqa: PLC0415

    field = FieldDescriptorProto
    file = FileDescriptorProto(
        name="temporal_codec/payload.proto", package="temporal_codec", syntax="proto3"
    )
    payload = file.message_type.add(name="Payload")
    entry = payload.nested_type.add(name="MetadataEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    external = payload.nested_type.add(name="ExternalPayloadDetails")
    external.field.add(
        name="size_bytes", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL
    )
    for name, number, kind, label, nested in (
        (
            "metadata",
            1,
            field.TYPE_MESSAGE,
            field.LABEL_REPEATED,
            ".temporal_codec.Payload.MetadataEntry",
        ),
        ("data", 2, field.TYPE_BYTES, field.LABEL_OPTIONAL, None),
        (
            "external_payloads",
            3,
            field.TYPE_MESSAGE,
            field.LABEL_REPEATED,
            ".temporal_codec.Payload.ExternalPayloadDetails",
        ),
    ):
        payload.field.add(name=name, number=number, type=kind, label=label, type_name=nested)
    pool = DescriptorPool()
    pool.Add(file)
    made: Any = GetMessageClass(pool.FindMessageTypeByName("temporal_codec.Payload"))
    return cast("type[PayloadMessage]", made)


def parse(serialized: bytes) -> PayloadMessage:
    """Read a serialized Payload; raises PayloadError if it is none."""
    try:
        return message_class().FromString(serialized)
    except DecodeError:
        raise PayloadError(Reason.MALFORMED) from None


def count_fields(serialized: bytes, at_most: int) -> int:
    """The number of fields in a serialized message; stops above `at_most`.

    Raises PayloadError if it has what no Payload has; the rest is for `parse` to refuse.
    """
    found, at, end = 0, 0, len(serialized)
    while at < end and found <= at_most:
        found += 1
        tag, at = _read_varint(serialized, at)
        kind = tag & 7
        if kind == 2:  # bytes, and what is written as bytes
            size, at = _read_varint(serialized, at)
            at += size
        elif kind == 0:
            at = _read_varint(serialized, at)[1]
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:  # a group, or nothing at all
            raise PayloadError(Reason.MALFORMED)
    return found


def _read_varint(serialized: bytes, at: int) -> tuple[int, int]:
    # The number, and where what follows it starts.
    number = 0
    for shift, byte in zip(range(0, 70, 7), serialized[at : at + 10], strict=False):
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            break
    return number, at


def serialize(metadata: Mapping[str, bytes], data: bytes, sizes: Iterable[int] = ()) -> bytes:
    """Write a Payload; `sizes` are the external payloads' in bytes."""
    return _serialize(_metadata_field(metadata), data, sizes)


def serialize_all(payloads: Iterable[Received]) -> Iterator[bytes]:
    """The protobuf forms of a request's payloads."""
    last, field = None, b""
    for payload in payloads:
        if payload.metadata is not last:  # payloads of one request mostly share one object
            last, field = payload.metadata, _metadata_field(payload.metadata)
        yield _serialize(field, payload.data, payload.sizes)


def _metadata_field(metadata: Mapping[str, bytes]) -> bytes:
    return b"".join([_metadata_entry(key, value) for key, value in metadata.items()])


def _serialize(metadata_field: bytes, data: bytes, sizes: Iterable[int]) -> bytes:
    if sizes:
        external = [{"size_bytes": size} for size in sizes]
        message = message_class()(external_payloads=external)  # type: ignore[call-arg]
        last = message.SerializeToString()
    else:
        last = b""
    if not data:
        return metadata_field + last
    return b"".join((metadata_field, DATA, varint(len(data)), data, last))


DATA = b"\x12"  # the tag of field 2, length-delimited


def _metadata_entry(key: str, value: bytes) -> bytes:
    name = key.encode()
    body = b"".join((b"\x0a", varint(len(name)), name, DATA, varint(len(value)), value))
    return b"".join((b"\x0a", varint(len(body)), body))


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    if number < 0x80:
        return number.to_bytes()
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
