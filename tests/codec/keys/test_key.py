"""Derived keys: each namespace has one of its own, from a key that they share."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from temporal_codec import Key, Keyring, PayloadError, Reason
from temporal_codec.encryption import sealed_metadata
from temporal_codec.keys.keys import RingKeys
from temporal_codec.pipeline import decode, encode
from tests.codec.rings import SINCE, Content, content, key, plain, reason

RING = Keyring([Key("shared", bytes(32), SINCE, derives=True)])


def seal(keys: RingKeys) -> Content:
    sealing = keys.sealing()
    (data,) = encode([plain()], sealing)
    return Content(sealed_metadata(sealing), data)


LABELS = {
    "": "(empty)",
    "prod key 3": "prod key 3",
    "  ": r"\x20\x20",
    "a key ": r"a\x20key\x20",
    "ключ": r"\u043a\u043b\u044e\u0447",
    "x" * 255: "x" * 255,
}


@pytest.mark.parametrize("key_id", LABELS, ids=ascii)
def test_a_label_is_what_logs_and_metrics_can_show(key_id: str) -> None:
    assert Key(key_id, bytes(32), datetime.now(UTC)).label == LABELS[key_id]


def test_a_long_label_is_short_and_its_own() -> None:
    """CloudWatch drops what is counted under more than 1,024 characters."""
    first, second = (Key("😀" * 254 + end, bytes(32), datetime.now(UTC)).label for end in "ab")
    assert len(first) < 256
    assert first != second


def test_the_derivation_is_that_of_the_format() -> None:
    """HKDF-SHA-256 without salt; the info names the format, the key and the namespace."""
    info = "temporal-codec/derive/v1\0ключ\0заказы".encode()
    expected = HKDF(SHA256(), 32, salt=b"", info=info).derive(b"k" * 32)
    made = Key("ключ", b"k" * 32, SINCE, derives=True).derived("заказы")
    assert made.secret == expected
    assert made.id == "ключ"


def test_what_one_namespace_seals_no_other_opens() -> None:
    """The id is written as it is, so a policy by namespace binds with one ring."""
    orders, billing = RingKeys(RING, "orders"), RingKeys(RING, "billing")
    payload = seal(orders)
    assert payload.metadata["encryption-key-id"] == b"shared"
    (opened,) = decode([payload], orders)
    assert content(opened) == plain()
    (refused,) = decode([payload], billing)
    assert reason(refused) is Reason.AUTHENTICATION


def test_a_key_that_does_not_derive_serves_every_namespace() -> None:
    """The samples' fixed keys go on opening, beside one that derives."""
    ring = Keyring([key(1), *RING])
    payload = seal(RingKeys(Keyring([key(1)]), "orders"))
    for namespace in ("orders", "billing"):
        (opened,) = decode([payload], RingKeys(ring, namespace))
        assert content(opened) == plain()


def test_ids_and_namespaces_are_told_apart() -> None:
    """A key id's end is never a namespace's beginning."""
    one = Key("a", bytes(32), SINCE, derives=True).derived("bc")
    other = Key("ab", bytes(32), SINCE, derives=True).derived("c")
    assert one.secret != other.secret


def test_a_newer_ring_may_have_another_key_of_the_same_id() -> None:
    """Its derived key is another one, too."""
    keys = RingKeys(RING, "orders")
    first = keys.sealing()
    keys.ask(lambda: Keyring([Key("shared", b"2" * 32, SINCE, derives=True)]), lambda: RING)
    assert keys.sealing().secret != first.secret


def test_a_derived_key_shows_no_more_than_its_parent() -> None:
    """The Java sample's id is its key; its label stays a hash."""
    secret = b"test-key-test-key-test-key-test!"
    parent = Key(secret.decode(), secret, datetime(2026, 1, 1, tzinfo=UTC), derives=True)
    assert parent.derived("orders").label == parent.label
    assert "test-key" not in repr(parent.derived("orders"))


@pytest.mark.parametrize("disabled", [True, False])
def test_a_disabled_key_derives_none(disabled: bool) -> None:
    ring = Keyring([Key("a", bytes(32), SINCE, derives=True, disabled=disabled), key(2)])
    if disabled:
        with pytest.raises(PayloadError):
            RingKeys(ring, "orders").opening(b"a")
    else:
        assert RingKeys(ring, "orders").opening(b"a").id == "a"


def test_a_mark_names_sealed_data_for_holders_of_the_key() -> None:
    """The same for the same data, and another for another payload or key."""
    one, other = seal(RingKeys(RING, "orders")), seal(RingKeys(RING, "orders"))
    key_one, key_two = key(1), key(2)
    assert (
        key_one.digest(one.data)
        == key_one.digest(memoryview(one.data))
        != key_one.digest(other.data)
    )
    assert key_one.digest(one.data) != key_two.digest(one.data)
    assert len(key_one.digest(one.data)) == 12
