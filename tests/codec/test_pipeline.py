"""Lists of payloads: layers peeled in any order, one failure never touching another payload."""

import gzip
import zlib
from collections.abc import Callable
from itertools import product

import pytest
from cramjam import snappy

from temporal_codec import Keyring, KeyringUnavailable, PayloadError, Reason
from temporal_codec.allowance import Allowance
from temporal_codec.encryption import sealed_metadata
from temporal_codec.errors import AnswerTooLarge
from temporal_codec.pipeline import MAX_LAYERS, decode, encode
from temporal_codec.protobuf import serialize
from tests.codec.rings import JSON, Content, SpyKeys, content, key, plain, reason, sealed

Wrap = Callable[[bytes], Content]
WRAPS: dict[str, Wrap] = {
    "encrypted": lambda inner: sealed(inner, key()),
    "zlib": lambda inner: Content({"encoding": b"binary/zlib"}, zlib.compress(inner)),
    "gzip": lambda inner: Content({"encoding": b"binary/gzip"}, gzip.compress(inner)),
    "snappy": lambda inner: Content(
        {"encoding": b"binary/snappy"}, bytes(snappy.compress_raw(inner))
    ),
}


@pytest.fixture
def keys() -> SpyKeys:
    return SpyKeys(Keyring([key(1), key(2)]))


def wrap(serialized: bytes, layers: tuple[str, ...]) -> Content:
    outer = WRAPS[layers[0]](serialized)
    for layer in layers[1:]:
        outer = WRAPS[layer](serialize(outer.metadata, outer.data))
    return outer


@pytest.mark.parametrize("layers", [each for n in (1, 2, 3) for each in product(WRAPS, repeat=n)])
def test_peels_every_order_of_encodings(layers: tuple[str, ...], keys: SpyKeys) -> None:
    (opened,) = decode([wrap(plain(), layers)], keys)
    assert content(opened) == plain()


def test_peels_four_layers_and_no_fifth(keys: SpyKeys) -> None:
    """D1; a payload that is not wholly peeled comes back as it was sent."""
    assert MAX_LAYERS == 4
    (opened,) = decode([wrap(plain(), ("encrypted",) * 4)], keys)
    assert content(opened) == plain()
    (outcome,) = decode([wrap(plain(), ("encrypted",) * 5)], keys)
    assert reason(outcome) is Reason.TOO_MANY_LAYERS


def test_a_bad_inner_layer_is_not_half_peeled(keys: SpyKeys) -> None:
    """Decision 6."""
    inner = Content({"encoding": b"binary/zlib"}, b"garbage")
    (outcome,) = decode([sealed(serialize(inner.metadata, inner.data), key())], keys)
    assert reason(outcome) is Reason.COMPRESSION


FOREIGN: list[dict[str, bytes]] = [
    {},
    {"encoding": b""},
    JSON,
    {"encoding": b"Binary/Encrypted"},
    {"encoding": b"binary/encrypted "},
    {"encoding": b"binary/encrypted/v2"},
    {"encoding": b"\xff"},
]
# Encrypted by other systems.
OTHERS: dict[str, dict[str, bytes]] = {
    "temporal-proxy": {"encoding": b"binary/encrypted", "encryption-dek": b"x"},
    "temporal-cloud-proxy": {"encoding": b"binary/encrypted", "encrypted-data-key": b""},
    "aws-encryption-sdk": {"encoding": b"awsencryptionsdk/binary/encrypted"},
}


@pytest.mark.parametrize("system", OTHERS)
def test_what_another_system_encrypted_is_named(system: str, keys: SpyKeys) -> None:
    """It comes back unchanged, and is counted: a reader sees ciphertext, and an operator why."""
    metadata = {**OTHERS[system], "encryption-key-id": b"key-1"}
    inner = sealed(serialize(metadata, bytes(64)), key())
    for outcome in decode([Content(metadata, bytes(64)), inner], keys):
        assert reason(outcome) is Reason.FOREIGN_FORMAT
        assert isinstance(outcome, PayloadError)
        assert outcome.subject == system


@pytest.mark.parametrize("metadata", FOREIGN, ids=str)
def test_what_is_not_ours_is_no_failure_and_asks_for_no_key(
    metadata: dict[str, bytes], keys: SpyKeys
) -> None:
    assert decode([Content(metadata, bytes(64))], keys) == [None]
    assert keys.asked == []


@pytest.mark.parametrize("metadata", FOREIGN, ids=str)
def test_what_is_not_ours_is_found_inside(metadata: dict[str, bytes], keys: SpyKeys) -> None:
    inner = serialize(metadata, b"foreign")
    (opened,) = decode([sealed(inner, key())], keys)
    assert content(opened) == inner


def test_one_bad_payload_never_affects_the_others(keys: SpyKeys) -> None:
    good = sealed(plain(), key())
    bad = Content(good.metadata, good.data[:-1])
    outcomes = decode([good, bad, Content(JSON), good], keys)
    assert content(outcomes[0]) == content(outcomes[3]) == plain()
    assert reason(outcomes[1]) is Reason.AUTHENTICATION
    assert outcomes[2] is None


def test_one_opening_per_payload_by_its_key_id(keys: SpyKeys) -> None:
    """K1: never trial decryption; the ring is asked once for each id of a request."""
    other = sealed(plain(), key(2))
    renamed = Content({**other.metadata, "encryption-key-id": b"key-1"}, other.data)
    payloads = [sealed(plain(), key(1)), other, renamed, sealed(plain(), key(1))]
    outcomes = decode(payloads, keys)
    assert reason(outcomes[2]) is Reason.AUTHENTICATION
    assert keys.asked == [b"key-1", b"key-2"]


def test_a_missing_key_id_names_no_key(keys: SpyKeys) -> None:
    payload = Content({"encoding": b"binary/encrypted"}, sealed(plain(), key()).data)
    (outcome,) = decode([payload], keys)
    assert reason(outcome) is Reason.NO_KEY_ID
    assert keys.asked == []


@pytest.mark.parametrize("key_id", [b"", b"key-3", b"KEY-1", b"\xff", b"../key-1", b"x" * 70_000])
def test_an_unknown_key_id(key_id: bytes, keys: SpyKeys) -> None:
    (outcome,) = decode(
        [Content({"encoding": b"binary/encrypted", "encryption-key-id": key_id})], keys
    )
    assert reason(outcome) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    "inner", [b"\xff\xff", b"\x12\xff\xff\xff\x7f", plain()[:-1], b"not a payload"]
)
def test_a_plaintext_that_is_no_payload(inner: bytes, keys: SpyKeys) -> None:
    (outcome,) = decode([sealed(inner, key())], keys)
    assert reason(outcome) is Reason.MALFORMED


def test_an_outage_of_the_keys_concerns_the_whole_list() -> None:
    class Down:
        def opening(self, _key_id: bytes) -> None:
            raise KeyringUnavailable("down")

    with pytest.raises(KeyringUnavailable):
        decode([Content(JSON), sealed(plain(), key())], Down())  # type: ignore[arg-type]


SHRINKS = plain(b'"' + b"x" * 1000 + b'"')


def reopened(data: list[bytes], keys: SpyKeys) -> list[bytes]:
    """What was sealed with the first key, from the new payloads' data."""
    metadata = sealed_metadata(key())
    return [content(each) for each in decode([Content(metadata, each) for each in data], keys)]


def test_encode_compresses_only_what_shrinks(keys: SpyKeys) -> None:
    large, small = SHRINKS, plain(b"1")
    data = encode([large, small], key(), compress=True)
    assert len(data[0]) < len(large) // 2
    assert len(data[1]) == len(small) + 28
    assert reopened(data, keys) == [large, small]


def test_encode_compresses_nothing_unasked() -> None:
    assert [len(each) for each in encode([SHRINKS], key())] == [len(SHRINKS) + 28]


def test_encode_seals_a_long_list_each_under_a_nonce_of_its_own(keys: SpyKeys) -> None:
    """Nonces are drawn several at a time: none may be cut short, or given twice."""
    serialized = [plain(b"%d" % n) for n in range(100)]
    data = encode(serialized, key())
    assert [len(each) for each in data] == [len(each) + 28 for each in serialized]
    assert len({each[:12] for each in data}) == len(serialized)
    assert reopened(data, keys) == serialized


def test_an_opened_payload_does_not_show_itself(keys: SpyKeys) -> None:
    """K8: no plaintext in a repr."""
    (opened,) = decode([sealed(plain(b'"canary"'), key())], keys)
    assert "canary" not in repr(opened)


@pytest.mark.parametrize("spare", [0, -1])
def test_what_is_opened_is_bounded_for_the_whole_list(spare: int) -> None:
    """D1: an answer's size is bounded before it is rendered; exactly as much is allowed."""
    payloads = [wrap(plain(), ("zlib",))] * 3
    allowance = Allowance(opened=3 * len(plain()) + spare)
    if spare < 0:
        with pytest.raises(AnswerTooLarge):
            decode(payloads, SpyKeys(Keyring([key(1)])), allowance)
    else:
        assert len(decode(payloads, SpyKeys(Keyring([key(1)])), allowance)) == 3
