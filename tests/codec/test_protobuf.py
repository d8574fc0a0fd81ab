"""The private Payload message agrees byte for byte with the SDK's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload as SdkPayload

from temporal_codec.common import COMMON, CommonMetadata, recognize
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.protobuf import parse, serialize

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
METADATA = st.dictionaries(TEXT, st.binary(max_size=200), max_size=4)
DATA = st.one_of(st.binary(max_size=300), st.integers(0, 20_000).map(bytes))
SIZES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)


def sdk_payload(metadata: dict[str, bytes], data: bytes, sizes: list[int]) -> SdkPayload:
    external = [SdkPayload.ExternalPayloadDetails(size_bytes=size) for size in sizes]
    return SdkPayload(metadata=metadata, data=data, external_payloads=external)


@given(METADATA, DATA, SIZES)
def test_reads_what_the_sdk_writes(
    metadata: dict[str, bytes], data: bytes, sizes: list[int]
) -> None:
    message = parse(sdk_payload(metadata, data, sizes).SerializeToString())
    assert dict(message.metadata) == metadata
    assert message.data == data
    assert [each.size_bytes for each in message.external_payloads] == sizes


@given(METADATA, DATA, SIZES)
def test_writes_what_the_sdk_writes(
    metadata: dict[str, bytes], data: bytes, sizes: list[int]
) -> None:
    """A map has no order of its own: with one member the bytes agree, with more the messages."""
    serialized = serialize(metadata, data, sizes)
    expected = sdk_payload(metadata, data, sizes)
    assert SdkPayload.FromString(serialized) == expected
    assert len(serialized) == expected.ByteSize()
    if len(metadata) < 2:
        assert serialized == expected.SerializeToString()


@given(METADATA, DATA, SIZES, st.binary(max_size=20))
def test_keeps_unknown_fields(
    metadata: dict[str, bytes], data: bytes, sizes: list[int], value: bytes
) -> None:
    """A newer SDK's field 15 survives."""
    unknown = b"\x7a" + len(value).to_bytes() + value
    serialized = sdk_payload(metadata, data, sizes).SerializeToString(deterministic=True) + unknown
    assert parse(serialized).SerializeToString(deterministic=True) == serialized


@given(st.binary(max_size=60))
def test_takes_and_refuses_what_the_sdk_does(serialized: bytes) -> None:
    try:
        expected = SdkPayload.FromString(serialized)
    except Exception:  # noqa: BLE001 — what it raises is the protobuf library's business
        with pytest.raises(PayloadError) as caught:
            parse(serialized)
        assert caught.value.reason is Reason.MALFORMED
    else:
        assert parse(serialized).data == expected.data


@given(st.sampled_from(COMMON), DATA)
def test_recognizes_common_payloads(common: CommonMetadata, data: bytes) -> None:
    serialized = serialize(common.metadata, data)
    found = recognize(serialized)
    assert found is not None
    assert found[0] is common
    assert serialized[found[1] :] == data


@pytest.mark.parametrize("bits", [7, 14, 21])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_recognizes_common_payloads_where_their_length_grows(bits: int, more: int) -> None:
    """A length of one byte to four is read: the largest payloads take the short cut, too."""
    data = bytes((1 << bits) + more)
    found = recognize(serialize(COMMON[0].metadata, data))
    assert found is not None
    assert found[1] == COMMON[0].size + 1 + (bits // 7 + (more >= 0))


@given(st.sampled_from(COMMON), st.binary(max_size=40))
def test_what_is_recognized_is_a_payload(common: CommonMetadata, rest: bytes) -> None:
    """The short cut and the complete parser agree on everything that both take."""
    serialized = common.prefix + rest
    found = recognize(serialized)
    if found is not None:
        message = parse(serialized)
        assert dict(message.metadata) == found[0].metadata
        assert message.data == serialized[found[1] :]
        assert not message.external_payloads


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"\x1a\x02\x08\x05", id="an external payload"),
        pytest.param(b"\x12\x01x\x1a\x00", id="one after the data"),
        pytest.param(b"\x12\x01x\x12\x01y", id="data twice"),
        pytest.param(b"\x12\x02x", id="data too short"),
        pytest.param(b"\x12", id="a tag alone"),
        pytest.param(b"\x12\xff\xff\xff\xff\xff\xff", id="a length without end"),
        pytest.param(b"\x0a\x00", id="more metadata"),
        pytest.param(b"\x7a\x00", id="an unknown field"),
    ],
)
def test_recognizes_nothing_else(rest: bytes) -> None:
    assert recognize(COMMON[0].prefix + rest) is None


def test_is_registered_nowhere() -> None:
    """The descriptor's pool is private: the SDK's own may live in the same process."""
    from google.protobuf.descriptor_pool import Default  # noqa: PLC0415

    with pytest.raises(KeyError):
        Default().FindMessageTypeByName("temporal_codec.Payload")
