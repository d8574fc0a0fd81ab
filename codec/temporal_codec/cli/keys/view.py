"""What each key of a ring does at a moment, and what is wrong; never a key's bytes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from temporal_codec.errors import KeyringUnavailable
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import MAX_RING_BYTES, Keyring, development_ring
from temporal_codec.keys.sources import RING_LIFE

MAX_KEY_AGE = timedelta(days=90)
LAST_GOOD = timedelta(seconds=RING_LIFE.last_good)
MOST_SEALS = 2**32
WORN_OUT = MOST_SEALS // 4
_NEARLY_FULL = MAX_RING_BYTES * 9 // 10
_KNOWN_TO_ALL = frozenset(key.secret for key in development_ring())


def sealing(ring: Keyring, now: datetime) -> Key | None:
    """The key that encrypts now, if one does."""
    try:
        return ring.sealing(now)
    except KeyringUnavailable:
        return None


def waiting(ring: Keyring, now: datetime) -> list[Key]:
    """The keys that encrypt later, the next one first."""
    later = [key for key in ring if key.activation_date > now and not key.disabled]
    return sorted(later, key=lambda key: key.activation_date)


def role(ring: Keyring, key: Key, now: datetime) -> str:
    """What a key does now: ``seals``, ``waits`` to seal, only ``opens``, or ``disabled``."""
    if key.disabled:
        return "disabled"
    if key.activation_date > now:
        return "waits"
    return "seals" if key == sealing(ring, now) else "opens"


def may_still_seal(ring: Keyring, key: Key, now: datetime) -> datetime | None:
    """Until when a worker that uses its last good ring may encrypt with this key."""
    later = [
        each.activation_date for each in ring if key.activation_date < each.activation_date <= now
    ]
    end = min(later) + LAST_GOOD if later else None
    return end if end and end > now else None


def date(moment: datetime) -> str:
    """A moment in words."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def rows(ring: Keyring, now: datetime) -> list[dict[str, str]]:
    """A ring for programs: printable ids, dates, and what each key does now."""
    return [
        {
            "id": key.label,
            "activation_date": key.activation_date.astimezone(UTC).isoformat(),
            "role": role(ring, key, now),
        }
        for key in ring
    ]


def show(uri: str, ring: Keyring, now: datetime) -> None:
    """Print a ring as a table."""
    table = Table(title=uri, title_justify="left", caption=None)
    table.add_column("key", overflow="fold")
    table.add_column("activation date")
    table.add_column("now")
    meanings = {
        "seals": "encrypts and decrypts",
        "waits": "decrypts, will encrypt",
        "opens": "decrypts",
        "disabled": "disabled",
    }
    for key in ring:
        table.add_row(key.label, date(key.activation_date), meanings[role(ring, key, now)])
    Console().print(table, markup=False)


def count(key: Key, counts: Mapping[str, int]) -> int:
    """How often a key has encrypted, given how often by id or label."""
    return sum(counts.get(name, 0) for name in {key.id, key.label})


def overused(ring: Keyring, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the keys that have encrypted too often, given how often by id."""
    for key in ring:
        done = count(key, counts)
        if done >= WORN_OUT:
            yield (
                f"{key.label} has encrypted {done} payloads. The limit of AES-GCM with random "
                f"nonces is {MOST_SEALS}. Rotate now: `temporal-codec keys rotate`."
            )


def faults(ring: Keyring, now: datetime) -> Iterator[str]:
    """Yield the reasons why a ring must not be used."""
    key = sealing(ring, now)
    if key is None:
        yield (
            "No key is active, so nothing can be encrypted and servers answer 503. "
            "`temporal-codec keys rotate --now` adds a key that encrypts at once."
        )
    elif key.secret in _KNOWN_TO_ALL:
        yield (
            f"{key.label} encrypts, and it is the key of Temporal's samples, which everybody has. "
            "`temporal-codec keys rotate --now` adds a key of your own; this one still decrypts."
        )


def cautions(ring: Keyring, size: int, now: datetime) -> Iterator[str]:
    """Yield what to do about a ring that can be used."""
    key = sealing(ring, now)
    for other in ring:
        if other.secret in _KNOWN_TO_ALL and other != key and not other.disabled:
            yield (
                f"{other.label} is the key of Temporal's samples: everybody can read what it "
                "encrypted. Retire it when no history needs it any more."
            )
    if key and now - key.activation_date > MAX_KEY_AGE and not waiting(ring, now):
        yield (
            f"{key.label} has encrypted since {date(key.activation_date)}, more than "
            f"{MAX_KEY_AGE.days} days. `temporal-codec keys rotate` adds the next key."
        )
    if size > _NEARLY_FULL:
        yield (
            f"The ring has {size} of at most {MAX_RING_BYTES} bytes. Retire keys that no history "
            "needs any more."
        )
