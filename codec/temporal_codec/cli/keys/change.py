"""Changes to a key ring, and the changes that are rejected."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.rings import load, parse
from temporal_codec.cli.keys.store import RingStore
from temporal_codec.cli.keys.view import date, may_still_seal, sealing, waiting
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import ROTATION_WAIT, Key, new_key
from temporal_codec.keys.keyring import Keyring, with_disabled, with_key, without_key

AT_ONCE = timedelta(0)


class Rotated(NamedTuple):
    """What a rotation added, and the ring before it."""

    added: Key
    before: Keyring


def make(store: RingStore, now: datetime) -> Key:
    """Make a ring with one key, which encrypts at once."""
    key = new_key(now, wait=AT_ONCE)
    store.create(Keyring([key]).to_json())
    return key


def add(store: RingStore, key: Key) -> Keyring:
    """Add a key, in a new ring if there is none; returns the ring as it is now."""
    stored = store.read()
    if stored is None:
        store.create(Keyring([key]).to_json())
        return Keyring([key])
    ring = parse(store, stored.text)
    _refuse_if_overwritten(store, ring)
    store.replace(stored, _longer(store, stored.text, key))
    return Keyring([*ring, key])


def rotate(store: RingStore, now: datetime, *, at_once: bool) -> Rotated:
    """Add a new key, which encrypts once every reader has it; at once if no key encrypts yet."""
    stored, ring = load(store)
    later = waiting(ring, now)
    if later and not at_once:
        raise CliError(
            f"{later[0].label} waits in {store.uri} already and encrypts from "
            f"{date(later[0].activation_date)}. Nothing was changed. After a leak, use --now."
        )
    _refuse_if_overwritten(store, ring)
    key = new_key(now, wait=AT_ONCE if at_once or not sealing(ring, now) else ROTATION_WAIT)
    store.replace(stored, _longer(store, stored.text, key))
    return Rotated(key, ring)


def retire(
    store: RingStore, name: str, now: datetime, agreed: Callable[[Key, str], bool]
) -> Key | None:
    """Remove a key if `agreed` returns true, given the key and the consequences."""
    stored, ring = load(store)
    key = _named(store, ring, name)
    if key == sealing(ring, now):
        raise CliError(
            f"{key.label} encrypts now. Rotate first (`temporal-codec keys rotate`), and retire it "
            "when another key encrypts."
        )
    if len(ring) == 1:
        raise CliError(
            f"{key.label} is the only key of {store.uri}. Add another key first: "
            "`temporal-codec keys rotate --now`."
        )
    if not agreed(key, _meaning(ring, key, now)):
        return None
    store.replace(stored, without_key(stored.text, key.id))
    return key


def disable(store: RingStore, name: str, now: datetime) -> Key:
    """Stop a key from decrypting and encrypting, until `enable`; raises CliError."""
    stored, ring = load(store)
    key = _named(store, ring, name)
    if key == sealing(ring, now):
        raise CliError(
            f"{key.label} encrypts now. Rotate first (`temporal-codec keys rotate --now`), and "
            "disable it then."
        )
    store.replace(stored, with_disabled(stored.text, key.id, disabled=True))
    return key


def enable(store: RingStore, name: str) -> Key:
    """Let a disabled key work again; raises CliError."""
    stored, ring = load(store)
    key = _named(store, ring, name)
    if not key.disabled:
        raise CliError(f"{key.label} is not disabled. Nothing was changed.")
    store.replace(stored, with_disabled(stored.text, key.id, disabled=False))
    return key


def _named(store: RingStore, ring: Keyring, name: str) -> Key:
    # By the id, or by what `list` shows for it: nobody should type an id that is the key itself.
    found = [key for key in ring if key.id == name] or [key for key in ring if key.label == name]
    if len(found) != 1:
        raise CliError(
            f"{store.uri} has no key with this id. `temporal-codec keys list` shows its keys."
        )
    return found[0]


def _meaning(ring: Keyring, key: Key, now: datetime) -> str:
    if key.activation_date > now:
        return f"{key.label} has not encrypted yet, so no payload should need it."
    loss = (
        f"Nobody can ever read again what {key.label} encrypted: running workflows that meet such "
        "a payload fail, and stored or archived histories stay ciphertext. `temporal-codec keys "
        "disable` is the same, but reversible."
    )
    until = may_still_seal(ring, key, now)
    if until is None:
        return loss
    return (
        f"{loss} It encrypted until recently: workers that could not fetch the ring since then may "
        f"still use it until {date(until)}. Wait until then."
    )


def _refuse_if_overwritten(store: RingStore, ring: Keyring) -> None:
    # Rule K6: a template may have overwritten a live ring; a first key would hide the old ones.
    if len(ring) == 0 and len(parse(store, store.previous() or b'{"keys":[]}')):
        raise CliError(
            f"{store.uri} is empty while its previous version holds keys: was it overwritten? "
            f"Nothing was changed. {store.repair}"
        )


def _longer(store: RingStore, text: bytes, key: Key) -> bytes:
    try:
        return with_key(text, key)
    except KeyringError as error:
        raise CliError(
            f"{store.uri} was not changed: {error}. `temporal-codec keys list` shows its keys."
        ) from None
