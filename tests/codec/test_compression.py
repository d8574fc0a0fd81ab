"""Inflating: every encoding, up to the cap and not a byte further (rule D1)."""

import gzip
import random
import tracemalloc
import zlib

import pytest
from cramjam import snappy

from temporal_codec.allowance import MAX_INFLATED_BYTES, Allowance
from temporal_codec.compression import ENCODINGS, deflate, inflate
from temporal_codec.errors import PayloadError, Reason

COMPRESS = {
    b"binary/zlib": zlib.compress,
    b"binary/gzip": gzip.compress,
    b"binary/snappy": lambda data: bytes(snappy.compress_raw(data)),
}
ALL = pytest.mark.parametrize("encoding", sorted(COMPRESS))
CORPUS = [b"", b"x", b"abc" * 1000, random.Random(1).randbytes(50_000)]


def refused(encoding: bytes, data: bytes, allowance: Allowance | None = None) -> Reason:
    with pytest.raises(PayloadError) as caught:
        inflate(encoding, allowance or Allowance(), data)
    return caught.value.reason


def test_every_encoding_is_tried_here() -> None:
    assert set(COMPRESS) == set(ENCODINGS)


@ALL
@pytest.mark.parametrize("data", CORPUS, ids=len)
def test_inflates(encoding: bytes, data: bytes) -> None:
    assert inflate(encoding, Allowance(), COMPRESS[encoding](data)) == data


@pytest.mark.parametrize("written", sorted(COMPRESS))
@ALL
def test_an_encoding_means_its_own_form_alone(encoding: bytes, written: bytes) -> None:
    """No form is guessed: another reader would not guess alike."""
    if encoding != written:
        refused(encoding, COMPRESS[written](b"abc" * 100))


def test_deflate_is_what_zlib_inflates() -> None:
    assert inflate(b"binary/zlib", Allowance(), deflate(b"abc" * 100)) == b"abc" * 100


@ALL
def test_the_cap_is_exact(encoding: bytes) -> None:
    fits = COMPRESS[encoding](bytes(MAX_INFLATED_BYTES))
    assert len(inflate(encoding, Allowance(), fits)) == MAX_INFLATED_BYTES
    assert refused(encoding, COMPRESS[encoding](bytes(MAX_INFLATED_BYTES + 1))) is Reason.TOO_LARGE


@ALL
@pytest.mark.parametrize("data", CORPUS, ids=len)
def test_truncated_and_lengthened_data_is_refused(encoding: bytes, data: bytes) -> None:
    whole = COMPRESS[encoding](data)
    refused(encoding, whole[:-1])
    refused(encoding, whole + b"\0")
    refused(encoding, b"")
    if encoding != b"binary/gzip":
        refused(encoding, whole + whole)


def test_members_of_gzip_that_follow_each_other_are_one_stream() -> None:
    """RFC 1952, and the libraries of the samples: log shippers and parallel compressors do it."""
    parts = [b"one ", b"", b"x" * 50_000, b"three"]
    members = [gzip.compress(part) for part in parts]
    assert inflate(b"binary/gzip", Allowance(), b"".join(members)) == b"".join(parts)
    for broken in (members[2][:-1], b"garbage", b"\0", members[0][:5]):
        refused(b"binary/gzip", members[0] + broken)


def test_members_of_gzip_share_one_cap() -> None:
    half = gzip.compress(bytes(MAX_INFLATED_BYTES // 2))
    assert len(inflate(b"binary/gzip", Allowance(), half + half)) == MAX_INFLATED_BYTES
    one_more = half + half + gzip.compress(b"1")
    assert refused(b"binary/gzip", one_more) is Reason.TOO_LARGE


def test_members_of_gzip_are_bounded() -> None:
    """Empty ones take 20 bytes each, and a body has room for a quarter of a million."""
    assert inflate(b"binary/gzip", Allowance(), gzip.compress(b"1") * 100) == b"1" * 100
    assert refused(b"binary/gzip", gzip.compress(b"") * 101) is Reason.COMPRESSION
    assert refused(b"binary/gzip", gzip.compress(b"") * 200_000) is Reason.COMPRESSION


def test_what_follows_a_member_of_gzip_is_not_copied() -> None:
    """For each of a hundred members it would be megabytes."""
    long = gzip.compress(b"1") + bytes(4_000_000)
    tracemalloc.start()
    refused(b"binary/gzip", long)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_bomb_costs_no_more_than_the_cap() -> None:
    """D1: a bomb of 1,029:1 stays below 64 MiB."""
    bomb = zlib.compress(bytes(100_000_000), 9)
    assert len(bomb) * 1000 < 100_000_000
    tracemalloc.start()
    assert refused(b"binary/zlib", bomb) is Reason.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_length_that_lies_allocates_nothing() -> None:
    tracemalloc.start()
    assert refused(b"binary/snappy", b"\xff\xff\xff\xff\x0f") is Reason.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@ALL
def test_a_list_of_bombs_ends(encoding: bytes) -> None:
    """The allowance of a request bounds all its payloads together, refused ones too."""
    allowance = Allowance(10_000)
    assert refused(encoding, COMPRESS[encoding](bytes(20_000)), allowance) is Reason.TOO_LARGE
    assert refused(encoding, COMPRESS[encoding](b"x" * 10), allowance) is Reason.TOO_LARGE


def test_one_corrupt_payload_leaves_room_for_the_others() -> None:
    allowance = Allowance()
    for _ in range(100):
        assert refused(b"binary/zlib", b"garbage", allowance) is Reason.COMPRESSION
    assert allowance.inflated == Allowance().inflated - 100 * len(b"garbage") * 1032
    assert inflate(b"binary/zlib", allowance, zlib.compress(b"good")) == b"good"


def test_what_inflates_is_taken_from_the_allowance() -> None:
    """D1: bytes exactly, and a field for each gzip member after the first."""
    allowance = Allowance(1000, fields=2)
    inflate(b"binary/zlib", allowance, deflate(b"a" * 600))
    assert allowance.inflated == 400
    inflate(b"binary/gzip", allowance, gzip.compress(b"a") * 3)
    assert (allowance.inflated, allowance.fields) == (397, 0)
    assert refused(b"binary/gzip", gzip.compress(b"a") * 2, allowance) is Reason.COMPRESSION
