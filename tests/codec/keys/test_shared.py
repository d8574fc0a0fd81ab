"""A namespace's own ring and shared ones: the key's id says which of them opens a payload."""

import pytest

from temporal_codec import Key, Keyring, KeyringUnavailable, PayloadError
from temporal_codec.cached import NotHeld
from temporal_codec.keys.keys import RingKeys, held
from temporal_codec.keys.shared import SharedKeys
from tests.codec.rings import key


class Fetched:
    """Keys that must be fetched, and count how often they are asked."""

    is_stale = True

    def __init__(self, ring: Keyring | None) -> None:
        self.asked = 0
        self._ring = ring

    def opening(self, key_id: bytes) -> Key:
        """See `Keys`."""
        self.asked += 1
        if self._ring is None:
            raise KeyringUnavailable("canary")
        return RingKeys(self._ring).opening(key_id)

    def sealing(self) -> Key:
        """See `Keys`."""
        return RingKeys(self._ring or Keyring()).sealing()


def test_each_ring_opens_and_its_own_seals() -> None:
    keys = SharedKeys(RingKeys(Keyring([key(1)])), [RingKeys(Keyring([key(2)]))])
    assert [keys.opening(each).id for each in (b"key-1", b"key-2")] == ["key-1", "key-2"]
    assert keys.sealing().id == "key-1"
    with pytest.raises(PayloadError, match="unknown-key"):
        keys.opening(b"key-3")
    assert not keys.is_stale


def test_nothing_is_fetched_for_a_key_that_is_held() -> None:
    """Else each payload of an operation would fetch the namespace's own ring again."""
    own = Fetched(Keyring([key(1)]))
    keys = SharedKeys(own, [RingKeys(Keyring([key(2)]))])
    assert keys.opening(b"key-2").id == "key-2"
    assert own.asked == 0
    assert keys.opening(b"key-1").id == "key-1"
    assert own.asked == 1
    assert keys.is_stale


def test_a_held_view_says_where_something_must_be_fetched() -> None:
    keys = held(SharedKeys(Fetched(Keyring([key(1)])), [RingKeys(Keyring([key(2)]))]))
    assert keys.opening(b"key-2").id == "key-2"
    with pytest.raises(NotHeld):
        keys.opening(b"key-1")
    with pytest.raises(NotHeld):
        keys.sealing()


def test_an_unreachable_ring_is_no_unknown_key() -> None:
    """A later try may find it: the caller must hear so."""
    keys = SharedKeys(RingKeys(Keyring([key(1)])), [Fetched(None)])
    with pytest.raises(KeyringUnavailable):
        keys.opening(b"key-2")
