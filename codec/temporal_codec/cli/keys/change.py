"""What may be done to a key ring, and what is refused."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.rings import load, parse
from temporal_codec.cli.keys.store import RingStore
from temporal_codec.cli.keys.view import date, may_still_seal, sealing, waiting
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import ROTATION_WAIT, Key, new_key
from temporal_codec.keys.keyring import Keyring, with_key, without_key

AT_ONCE = timedelta(0)


class Rotated(NamedTuple):
    """What a rotation did, and to which ring."""

    added: Key
    before: Keyring


def make(store: RingStore, now: datetime) -> Key:
    """A ring with one key, which seals at once."""
    key = new_key(now, wait=AT_ONCE)
    store.create(Keyring([key]).to_json())
    return key


def add(store: RingStore, key: Key) -> Keyring:
    """One key more, in a new ring where there is none; gives the ring as it is now."""
    stored = store.read()
    if stored is None:
        store.create(Keyring([key]).to_json())
        return Keyring([key])
    ring = parse(store, stored.text)
    _refuse_if_overwritten(store, ring)
    store.replace(stored, _longer(store, stored.text, key))
    return Keyring([*ring, key])


def rotate(store: RingStore, now: datetime, *, at_once: bool) -> Rotated:
    """A new key, which seals once every reader has it; at once where no key seals so far."""
    stored, ring = load(store)
    later = waiting(ring, now)
    if later and not at_once:
        raise CliError(
            f"{later[0].label} waits in {store.uri} already, and seals from "
            f"{date(later[0].activation_date)}. Nothing was changed. For a key that leaked: --now."
        )
    _refuse_if_overwritten(store, ring)
    key = new_key(now, wait=AT_ONCE if at_once or not sealing(ring, now) else ROTATION_WAIT)
    store.replace(stored, _longer(store, stored.text, key))
    return Rotated(key, ring)


def retire(
    store: RingStore, name: str, now: datetime, agreed: Callable[[Key, str], bool]
) -> Key | None:
    """Take a key out, if `agreed` says so given the key and what that means."""
    stored, ring = load(store)
    key = _named(store, ring, name)
    if key == sealing(ring, now):
        raise CliError(
            f"{key.label} seals now. Rotate first (`temporal-codec keys rotate`), and retire it "
            "when another key seals."
        )
    if len(ring) == 1:
        raise CliError(
            f"{key.label} is the only key of {store.uri}. Add another first: "
            "`temporal-codec keys rotate --now`."
        )
    if not agreed(key, _meaning(ring, key, now)):
        return None
    store.replace(stored, without_key(stored.text, key.id))
    return key


def _named(store: RingStore, ring: Keyring, name: str) -> Key:
    # By the id or by what `list` shows for it: an id that is the key itself is never typed.
    found = [key for key in ring if name in (key.id, key.label)]
    if len(found) != 1:
        raise CliError(
            f"{store.uri} has no key of this id. `temporal-codec keys list` shows its keys."
        )
    return found[0]


def _meaning(ring: Keyring, key: Key, now: datetime) -> str:
    if key.activation_date > now:
        return f"{key.label} has not begun to seal, so no payload should need it."
    loss = (
        f"What {key.label} sealed can never be read again, by anybody: workflows that run and "
        "meet such a payload fail, and histories that are kept or archived stay ciphertext."
    )
    until = may_still_seal(ring, key, now)
    if until is None:
        return loss
    return (
        f"{loss} It sealed until lately: writers that could not fetch the ring since may go on "
        f"with it until {date(until)}. Better wait until then."
    )


def _refuse_if_overwritten(store: RingStore, ring: Keyring) -> None:
    # Rule K6: a template that overwrote a live ring; a first key would bury the old ones.
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
