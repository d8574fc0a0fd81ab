"""Key rings: what is taken, what is refused, which key seals, and what is never shown."""

import base64
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest

from temporal_codec import Key, Keyring, KeyringError, KeyringUnavailable
from temporal_codec.encryption import open_sealed, seal
from temporal_codec.keys.key import new_key
from temporal_codec.keys.keyring import (
    MAX_RING_BYTES,
    development_ring,
    with_disabled,
    with_key,
    without_key,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECRET = bytes(range(32))


def entry(**changes: object) -> dict[str, object]:
    return {
        "id": "2026-11-a1b2c3",
        "key": base64.b64encode(SECRET).decode(),
        "activation_date": "2026-11-23T00:00:00Z",
        **changes,
    }


def ring_text(*entries: dict[str, object]) -> bytes:
    return json.dumps({"keys": list(entries)}).encode()


def test_reads_the_documented_form() -> None:
    """Decision 4: id, base64 of 32 bytes, activation date."""
    (key,) = Keyring.from_json(ring_text(entry()))
    assert (key.id, key.secret, key.activation_date) == ("2026-11-a1b2c3", SECRET, NOW)


def test_survives_a_round_trip() -> None:
    ring = Keyring([Key("a", SECRET, NOW), Key("b", SECRET[::-1], NOW + timedelta(1))])
    assert list(Keyring.from_json(ring.to_json())) == list(ring)


def test_ignores_unknown_members() -> None:
    """A newer writer must not lock out older readers (K5)."""
    text = json.dumps({"version": 2, "keys": [entry(comment="x")]}).encode()
    assert len(Keyring.from_json(text)) == 1


def test_an_empty_ring_is_a_ring() -> None:
    assert len(Keyring.from_json(b'{"keys":[]}')) == 0


def test_finds_keys_by_the_bytes_in_metadata() -> None:
    ring = Keyring([Key("a", SECRET, NOW)])
    assert ring.get(b"a") is not None
    assert ring.get(b"A") is None
    assert ring.get(b"\xff") is None


@pytest.mark.parametrize(
    ("dates", "sealing"),
    [
        ([-2, -1], 1),
        ([-1, -2], 0),
        ([-1, 1], 0),
        ([1, -1], 1),
        ([0, -1], 0),
        ([-1, -1], 0),
    ],
)
def test_the_key_activated_last_seals(dates: list[int], sealing: int) -> None:
    """Decision 4: the latest activation date that is past; of equal ones, the first listed."""
    ring = Keyring(Key(f"k{n}", SECRET, NOW + timedelta(d)) for n, d in enumerate(dates))
    assert ring.sealing(NOW).id == f"k{sealing}"


@pytest.mark.parametrize("dates", [[], [1], [1, 2]])
def test_nothing_seals_before_a_key_is_active(dates: list[int]) -> None:
    ring = Keyring(Key(f"k{n}", SECRET, NOW + timedelta(d)) for n, d in enumerate(dates))
    with pytest.raises(KeyringUnavailable, match="no active key"):
        ring.sealing(NOW)


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a key ring"),
    "not JSON": (b"{keys", "not a key ring"),
    "not UTF-8": (
        b'{"keys":[{"id":"\xff"}]}',
        "not a key ring: it is not valid UTF-8: save it as UTF-8$",
    ),
    "an array": (b"[]", "not an object"),
    "no keys": (b"{}", "missing required field `keys`"),
    "keys as an object": (b'{"keys":{}}', "keys"),
    "no id": (ring_text({"key": "", "activation_date": ""}), "`id`"),
    "id as a number": (ring_text(entry(id=1)), r"`keys\[0\].id"),
    "id of half a surrogate": (ring_text(entry(id="a\ud83d")), "not a key ring"),
    "id with a line break": (ring_text(entry(id="a\nb")), r"keys\[0\]: an id must"),
    "id with a control character": (ring_text(entry(id="a\x85")), r"keys\[0\]: an id must"),
    "id too long": (ring_text(entry(id="x" * 256)), r"keys\[0\]: an id must"),
    "key not base64": (ring_text(entry(key="!" * 44)), r"keys\[0\]: a key must be standard base64"),
    "key of base64url": (ring_text(entry(key="-" * 43 + "=")), "standard base64"),
    "date without zone": (ring_text(entry(activation_date="2026-11-23T00:00:00")), "time zone"),
    "date before all dates": (
        ring_text(entry(activation_date="0001-01-01T00:00:00+01:00")),
        "activation_date must look",
    ),
    "date that is none": (ring_text(entry(activation_date="soon")), "activation_date must look"),
    "two of one id": (ring_text(entry(), entry()), "two keys have the same id"),
    "too large": (b" " * 65_537, "at most 65536 bytes"),
    "deep nesting": (b'{"keys":[{"more":' + b"[" * 60_000, "not a key ring"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refuses_what_is_wrong_and_says_where(name: str) -> None:
    """K5: a clear error that names the fault and never shows a value."""
    text, message = WRONG[name]
    with pytest.raises(KeyringError, match=message) as caught:
        Keyring.from_json(text)
    assert base64.b64encode(SECRET).decode() not in str(caught.value)
    assert caught.value.__cause__ is None, "a cause would be printed with the text"


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_refuses_keys_of_another_length(size: int) -> None:
    """AES-256 alone; K5's 16, 24, 31 and 33 bytes."""
    text = ring_text(entry(key=base64.b64encode(bytes(size)).decode()))
    with pytest.raises(KeyringError, match=rf"keys\[0\]: a key must have 32 bytes, not {size}"):
        Keyring.from_json(text)


SPELLINGS = [
    SECRET.hex(),
    base64.b64encode(SECRET).decode(),
    base64.urlsafe_b64encode(SECRET).decode(),
    str(list(SECRET))[1:-1],
    repr(SECRET)[2:-1],
]


def test_no_repr_shows_key_bytes() -> None:
    """K8: neither repr nor str of a key or a ring."""
    ring = Keyring([Key("a", SECRET, NOW)])
    for shown in (repr(ring), str(ring), repr(list(ring)), str(next(iter(ring)))):
        assert "a" in shown
        assert not [spelling for spelling in SPELLINGS if spelling in shown]


def test_an_id_that_is_its_key_is_shown_as_a_fingerprint() -> None:
    """K8: the Java sample's ids are the keys themselves."""
    secret = b"test-key-test-key-test-key-test!"
    key = Key(secret.decode(), secret, NOW)
    assert key.label == "sha256:2a3046b5"
    assert "test-key" not in repr(key)
    assert "test-key" not in repr(Keyring([key]))


def test_a_key_refuses_pickling() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Key("a", SECRET, NOW))


def test_a_key_enciphers_with_its_own_bytes() -> None:
    key, same = Key("a", SECRET, NOW), Key("b", SECRET, NOW)
    other = Key("c", SECRET[::-1], NOW)
    sealed = seal(key, b"plaintext", bytes(12))
    assert open_sealed(same, sealed) == b"plaintext"
    assert seal(other, b"plaintext", bytes(12)) != sealed


def test_a_ring_may_fill_a_secret() -> None:
    """A secret of Secrets Manager holds 65,536 bytes."""
    text = ring_text(entry())
    assert len(Keyring.from_json(text.ljust(MAX_RING_BYTES))) == 1
    with pytest.raises(KeyringError, match="at most 65536 bytes, not 65537"):
        Keyring.from_json(text.ljust(MAX_RING_BYTES + 1))


def test_a_new_key_is_random_and_waits_until_every_reader_has_it() -> None:
    """Readers live on their last good ring for 24 hours."""
    key, other = new_key(NOW), new_key(NOW, wait=timedelta(0))
    assert key.activation_date == NOW + timedelta(hours=25)
    assert other.activation_date == NOW
    assert key.secret != other.secret
    assert key.id != other.id
    assert key.id.startswith("2026-11-")


def test_a_key_is_added_and_all_else_stays() -> None:
    text = json.dumps({"note": "ours", "keys": [entry(comment="first")]}).encode()
    added = Key("b", SECRET[::-1], NOW + timedelta(1))
    longer = with_key(text, added)
    assert list(Keyring.from_json(longer)) == [*Keyring.from_json(text), added]
    document = json.loads(longer)
    assert document["note"] == "ours"
    assert document["keys"][0] == entry(comment="first")
    assert document["keys"][1]["activation_date"] == "2026-11-24T00:00:00Z"


def test_a_key_whose_id_is_taken_is_not_added() -> None:
    with pytest.raises(KeyringError, match="two keys have the same id"):
        with_key(ring_text(entry()), Key("2026-11-a1b2c3", SECRET[::-1], NOW))


def test_no_ring_grows_beyond_what_a_secret_holds() -> None:
    added, rest = Key("b", SECRET, NOW), {"keys": [], "note": ""}
    room = MAX_RING_BYTES - len(with_key(json.dumps(rest).encode(), added))
    full = json.dumps({**rest, "note": "x" * room}, separators=(",", ":")).encode()
    assert len(with_key(full, added)) == MAX_RING_BYTES
    with pytest.raises(KeyringError, match="with one key more it would have over 65536 bytes"):
        with_key(full.replace(b"x", b"xx", 1), added)


def test_a_key_is_taken_out_and_all_else_stays() -> None:
    text = json.dumps({"note": "ours", "keys": [entry(), entry(id="b", comment="x")]}).encode()
    shorter = json.loads(without_key(text, "2026-11-a1b2c3"))
    assert shorter == {"note": "ours", "keys": [entry(id="b", comment="x")]}
    with pytest.raises(KeyringError, match="no key of this id"):
        without_key(text, "c")


@pytest.mark.parametrize(
    "key_id",
    ["prod key 3", "ключ-2 №7", "", "arn:aws:kms:eu-west-1:111122223333:key/pay", "k" * 255],
    ids=ascii,
)
def test_an_id_is_any_text(key_id: str) -> None:
    """The official samples write the id that they are configured with; Go's default is empty."""
    ring = Keyring.from_json(ring_text(entry(id=key_id)))
    found = ring.get(key_id.encode())
    assert found is not None
    assert found.id == key_id
    assert found.label.isascii()
    assert found.label.isprintable()
    assert found.label


def test_a_disabled_key_neither_opens_nor_seals() -> None:
    """It stays in the ring, so that it can be enabled again."""
    ring = Keyring.from_json(ring_text(entry(id="on"), entry(id="off", disabled=True)))
    assert ring.get(b"off") is None
    assert ring.sealing(NOW).id == "on"
    assert len(ring) == 2
    assert b'"disabled": true' in ring.to_json()


@pytest.mark.parametrize("mode", ["workflow", True, 1])
def test_a_derivation_that_is_unknown_refuses_the_ring(mode: object) -> None:
    """Read as an ordinary key, it would encrypt what no other reader can open."""
    with pytest.raises(KeyringError, match="not a key ring"):
        Keyring.from_json(ring_text(entry(derive=mode)))


def test_a_key_is_disabled_and_enabled_and_all_else_stays() -> None:
    """As an operator's editor left it, with the byte order mark that some put first."""
    entries = [entry(), entry(id="b", comment="x")]
    text = b"\xef\xbb\xbf" + json.dumps({"note": "ours", "keys": entries}).encode()
    off = with_disabled(text, "b", disabled=True)
    assert json.loads(off) == {
        "note": "ours",
        "keys": [entries[0], {**entries[1], "disabled": True}],
    }
    assert Keyring.from_json(off).get(b"b") is None
    assert with_disabled(off, "b", disabled=True) == off
    assert json.loads(with_disabled(off, "b", disabled=False)) == {"note": "ours", "keys": entries}
    with pytest.raises(KeyringError, match="no key of this id"):
        with_disabled(text, "c", disabled=True)


def test_a_byte_order_mark_is_no_part_of_a_ring() -> None:
    text = b"\xef\xbb\xbf" + ring_text(entry())
    assert len(Keyring.from_json(with_key(text, Key("b", SECRET, NOW)))) == 2
    assert len(Keyring.from_json(without_key(text, "2026-11-a1b2c3"))) == 0


def test_a_ring_says_no_more_than_it_must() -> None:
    """Members at their default are left out, and dates are in UTC."""
    zone = timezone(timedelta(hours=2))
    ring = Keyring([Key("a", SECRET, NOW.astimezone(zone)), Key("b", SECRET, NOW, derives=True)])
    assert json.loads(ring.to_json()) == {
        "keys": [
            entry(id="a"),
            entry(id="b", derive="namespace"),
        ]
    }
    assert [each.derives for each in Keyring.from_json(ring.to_json())] == [False, True]


@pytest.mark.parametrize(
    ("text", "derives"),
    [
        (ring_text(), False),
        (ring_text(entry()), False),
        (ring_text(entry(derive="namespace")), True),
        (ring_text(entry(), entry(id="b", derive="namespace")), True),
        (ring_text(entry(derive="namespace"), entry(id="b")), False),
        (b'{"keys":[],"derive":"namespace"}', True),
        (b'{"keys":[],"derive":null}', False),
    ],
)
def test_a_ring_goes_on_as_its_last_key(text: bytes, derives: bool) -> None:
    """A key that is added derives for each namespace if that one does, or the ring says so."""
    ring = Keyring.from_json(text)
    assert ring.derives is derives
    assert Keyring(ring).derives is any(key.derives for key in list(ring)[-1:])


def test_the_development_ring_seals_whatever_the_clock_says() -> None:
    """Since 2020: a machine whose clock lost the year serves a demonstration too."""
    assert development_ring().sealing(datetime(2020, 1, 1, tzinfo=UTC)).id == "test-key-id"
