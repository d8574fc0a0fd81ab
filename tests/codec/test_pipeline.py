"""Lists of payloads: layers peeled in any order, one failure never touching another payload."""

import asyncio
import gc
import gzip
import zlib
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import pytest
from cramjam import snappy

from temporal_codec import Key, Keyring, KeyringUnavailable, PayloadError, Reason
from temporal_codec.allowance import Allowance
from temporal_codec.cached import NotHeld
from temporal_codec.common import recognize
from temporal_codec.encryption import sealed_metadata
from temporal_codec.envelope import MARK
from temporal_codec.errors import AnswerTooLarge
from temporal_codec.payload import Received
from temporal_codec.pipeline import (
    MAX_LAYERS,
    Opened,
    Session,
    decode,
    decode_held,
    encode,
    key_finder,
)
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


def test_keys_that_hold_none_are_no_keys_to_wait_for(keys: SpyKeys) -> None:
    """A payload would come back as if it were not encoded."""

    class NoneHeld(SpyKeys):
        def opening(self, _key_id: bytes) -> Key:
            raise NotHeld

    with pytest.raises(NotHeld):
        decode([sealed(plain(), key())], NoneHeld(keys.ring))


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
        with pytest.raises(AnswerTooLarge, match=r"than an answer holds$"):
            decode(payloads, SpyKeys(Keyring([key(1)])), allowance)
    else:
        assert len(decode(payloads, SpyKeys(Keyring([key(1)])), allowance)) == 3


def test_what_is_not_inflated_is_not_counted() -> None:
    """It is smaller than what came, which was counted before; after an inflation all is."""
    keys, allowance = SpyKeys(Keyring([key(1)])), Allowance(opened=len(plain()))
    closed = sealed(plain(), key(1))
    assert list(map(content, decode([closed] * 9, keys, allowance))) == [plain()] * 9
    assert allowance.opened == len(plain())
    with pytest.raises(AnswerTooLarge):
        decode([wrap(plain(), ("zlib",)), closed], keys, allowance)


def test_a_small_allowance_is_not_replaced_by_the_default() -> None:
    (outcome,) = decode([wrap(plain(), ("zlib",))], SpyKeys(Keyring()), Allowance(0))
    assert reason(outcome) is Reason.TOO_LARGE


def test_the_keys_that_opened_a_payload_are_named_from_the_outside_in(keys: SpyKeys) -> None:
    inner = sealed(plain(), key(1))
    outer = sealed(serialize(inner.metadata, inner.data), key(2))
    (opened,) = decode([outer], keys)
    assert isinstance(opened, Opened)
    assert opened.keys == ("key-2", "key-1")


class Waiting:
    """Keys that are only held when they were asked for before; notes how that was done."""

    def __init__(self) -> None:
        self.in_background: list[bool] = []
        self.opened: list[bytes] = []
        self.holds = {b"key-1": key(1)}
        self.is_stale = False

    def held(self, *, in_background: bool = False) -> "Waiting":
        self.in_background.append(in_background)
        held = Waiting()
        held.opening = self._held_one  # type: ignore[method-assign]
        return held

    def _held_one(self, key_id: bytes) -> Key:
        if key_id not in self.holds:
            raise NotHeld
        return self.holds[key_id]

    def opening(self, key_id: bytes) -> Key:
        self.opened.append(key_id)
        return SpyKeys(Keyring([key(1), key(2)])).opening(key_id)

    def sealing(self) -> Key:
        raise AssertionError("decoding never asks for the sealing key")


def test_only_what_needs_another_key_takes_a_thread() -> None:
    """Each outcome stands in its payload's place; no thread refreshes anything unasked."""
    keys, threads = Waiting(), []

    async def in_thread(work: Callable[..., Any], /, *args: object) -> Any:
        threads.append(args[0])
        return work(*args)

    texts = [plain(b"%d" % number) for number in range(5)]
    payloads = [sealed(text, key(1 + number % 2)) for number, text in enumerate(texts)]
    outcomes = asyncio.run(decode_held(payloads, Session(keys, in_thread)))
    assert list(map(content, outcomes)) == texts
    assert threads == [[payloads[1], payloads[3]]]
    assert keys.opened == [b"key-2"]
    assert keys.in_background == [False]
    asyncio.run(decode_held(payloads[:1], Session(keys, in_thread, in_background=True)))
    assert keys.in_background == [False, True]
    assert len(threads) == 1


class Unwraps:
    """A source of data keys that payloads bring; notes whether it may wait."""

    def __init__(self, known: bytes) -> None:
        self.known = known
        self.waits: list[bool] = []

    def __call__(self, metadata: Mapping[str, bytes], _allowance: Allowance, *, wait: bool) -> Key:
        self.waits.append(wait)
        if not wait:
            raise NotHeld
        if metadata["encryption-dek"] != self.known:
            raise PayloadError(Reason.UNKNOWN_KEY)
        return key(1)


@pytest.mark.parametrize("own", [False, True])
def test_a_key_that_a_payload_brings_is_unwrapped_once(own: bool, keys: SpyKeys) -> None:
    """By the namespace's keys themselves or by what is given beside; in a thread where it waits."""
    unwraps, payload = Unwraps(b"one"), sealed(plain(), key(1))
    brings = Content({**payload.metadata, "encryption-dek": b"one"}, payload.data)
    if own:
        keys.unwrapped = unwraps  # type: ignore[attr-defined]
    outcomes = decode([brings, payload, brings], keys, None, None if own else unwraps)
    assert list(map(content, outcomes)) == [plain()] * 3
    assert unwraps.waits == [True]
    assert keys.asked == [b"key-1"]
    session = Session(keys, enveloped=None if own else unwraps)
    assert content(asyncio.run(decode_held([brings], session))[0]) == plain()
    assert unwraps.waits[1:] == ([True] if own else [False, True])


def test_both_ways_to_unwrap_are_tried(keys: SpyKeys) -> None:
    """The one that is given beside comes first; a key that neither knows is an unknown one."""
    first, second, payload = Unwraps(b"one"), Unwraps(b"two"), sealed(plain(), key(1))
    keys.unwrapped = second  # type: ignore[attr-defined]
    brings = [
        Content({**payload.metadata, "encryption-dek": wrapped}, payload.data)
        for wrapped in (b"one", b"two", b"three")
    ]
    *opened, unknown = decode(brings, keys, None, first)
    assert list(map(content, opened)) == [plain()] * 2
    assert reason(unknown) is Reason.UNKNOWN_KEY
    assert (len(first.waits), len(second.waits)) == (3, 2)


@pytest.mark.parametrize("wait", [True, False])
def test_the_key_of_a_payload_is_found_without_decoding_it(wait: bool) -> None:
    """With `wait=False` only where it is held."""
    keys = Waiting()
    find = key_finder(keys, wait=wait) if not wait else key_finder(keys)
    assert find(sealed_metadata(key(1))) == key(1)
    if wait:
        assert find(sealed_metadata(key(2))) == key(2)
    else:
        with pytest.raises(NotHeld):
            find(sealed_metadata(key(2)))


def test_a_mark_on_what_is_encrypted_changes_nothing(keys: SpyKeys) -> None:
    """Only what is no encoding of ours can be an envelope."""
    payload = sealed(plain(), key())
    (opened,) = decode([Content({**payload.metadata, MARK: b"true"}, payload.data)], keys)
    assert content(opened) == plain()


MADE = [Received({}, b""), Opened(b"", None, ()), Session(SpyKeys(Keyring()))]


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
def test_what_is_shared_is_never_changed(made: Any) -> None:
    """Threads and later payloads see the same object."""
    for name in made.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(made, name, None)


def test_a_thousand_payloads_are_no_work_for_the_garbage_collector() -> None:
    assert not gc.is_tracked(Received({}, b""))
    assert not gc.is_tracked(Opened(plain(), recognize(plain()), ()))
