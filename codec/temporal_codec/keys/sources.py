"""Where key rings come from: a URI names the source, a namespace picks the ring."""

import errno
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from temporal_codec.cached import Cached
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.errors import KeyringError, KeyringNotFound, KeyringUnavailable, install
from temporal_codec.keys.keyring import MAX_RING_BYTES, Keyring, development_ring
from temporal_codec.keys.keys import Keys, RingKeys, moment
from temporal_codec.namespace import PLACEHOLDER, check_namespace, place_name
from temporal_codec.reported import reported

if TYPE_CHECKING:
    from temporal_codec.keys.shared import Source
    from temporal_codec.keys.together import Together

RING_LIFE = Life(fresh=300, last_good=24 * 3600)
_ABSENT_SECONDS = 30.0
MAX_RINGS = 5000
"""Rings that are kept, if each namespace has one; a ring of three keys takes 4 KiB."""
_SEPARATOR = re.compile(r",(?=(?:secretsmanager|file|kms):)")

Loader = Callable[[str], Keyring]
"""Loads the ring of a namespace; raises KeyringNotFound, KeyringError, or any other error."""


class KeySource(Protocol):
    """Gives each namespace its keys."""

    def keys(self, namespace: str) -> Keys:
        """The keys of a namespace; nothing is fetched until one is needed."""


def open_source(uri: str, clock: Clock = system_clock, at_most: int = MAX_RINGS) -> "Source":
    """The source that a URI names.

    Args:
        uri: ``secretsmanager:NAME`` or ``file:PATH``, where ``{namespace}`` in the name gives each
            namespace a ring of its own, ``kms:ALIAS-OR-ARN``, or ``development``. Of several,
            separated by commas, the first seals, and all open.
        clock: gives the wall-clock and monotonic seconds.
        at_most: how many rings are kept, if each namespace has one.

    Raises:
        KeyringError: the URI names no source.
    """
    first, *others = separated(uri)
    if others:
        from temporal_codec.keys.shared import SharingSource  # noqa: PLC0415 — few need it

        own, *more = (open_source(each, clock, at_most) for each in (first, *others))
        return SharingSource(own, lambda name: [each.keys(name) for each in more])
    scheme, _, name = uri.partition(":")
    make_loader = _LOADERS.get(scheme)
    if uri == "development":
        return FixedSource(development_ring(), clock)
    if scheme == "kms":
        from temporal_codec.keys.kms import KmsSource  # noqa: PLC0415 — few need it

        return KmsSource(name, clock, at_most=at_most)
    if make_loader is None or not name:
        raise KeyringError(
            "a key ring's URI must be secretsmanager:NAME, kms:ALIAS-OR-ARN, file:PATH or "
            "development"
        )
    return RingSource(uri, make_loader(name), clock, at_most)


def separated(uri: str) -> list[str]:
    """Each source that a URI names."""
    return _SEPARATOR.split(uri)


class FixedSource:
    """One ring that is never fetched (a `KeySource`)."""

    def __init__(self, ring: Keyring, clock: Clock = system_clock) -> None:
        self._cached: Cached[Keyring | None] = Cached.of(ring)
        self.keys = lru_cache(lambda name: RingKeys(ring, check_namespace(name), clock))
        """See `KeySource`."""

    def caches(self) -> list[Cached[Keyring | None]]:
        """See `RingSource.caches`: nothing is fetched."""
        return [self._cached]


class RingSource:
    """Rings that a loader fetches, each kept for as long as RING_LIFE says (a `KeySource`)."""

    def __init__(
        self, uri: str, load: Loader, clock: Clock = system_clock, at_most: int = MAX_RINGS
    ) -> None:
        """Take the URI, which faults name, and what loads its rings.

        A loader with a method `several` (a `Several`) loads rings together.
        """
        together = _together(uri, load, clock)
        self._asked = together.asked if together else lambda _namespace: None

        def ring(namespace: str) -> Cached[Keyring | None]:
            place = _place(uri, namespace)

            def fetch() -> Keyring | None:
                found = _present(together.load if together else load, namespace, place, clock)
                if together and found is not None:
                    together.fetched(namespace, cached)
                return found

            cached = Cached(reported("a key ring", fetch), RING_LIFE, clock, _fresh_for)
            return cached

        shared = ring("") if PLACEHOLDER not in uri else None
        self._shared = shared
        self._keys = CachedByName[str, RingKeys](
            lambda namespace: RingKeys(
                shared or ring(namespace), namespace, clock, _place(uri, namespace)
            ),
            at_most,
        )

    def keys(self, namespace: str) -> RingKeys:
        """See `KeySource`."""
        self._asked(namespace)
        return self._keys[check_namespace(namespace)]

    def caches(self) -> list[Cached[Keyring | None]]:
        """The cache that every namespace needs: the shared ring's, or none if each has its own."""
        return [self._shared] if self._shared else []


def _together(uri: str, load: Loader, clock: Clock) -> "Together | None":
    if PLACEHOLDER not in uri or not hasattr(load, "several"):
        return None
    from temporal_codec.keys.together import Together  # noqa: PLC0415 — few need it

    return Together(load, load.several, clock, RING_LIFE.fresh * 0.8)


def _present(load: Loader, namespace: str, place: str, clock: Clock) -> Keyring | None:
    # A ring without an active key is a fault: it is fetched again soon.
    try:
        ring = load(namespace)
        ring.sealing(moment(clock))
    except KeyringNotFound:
        return None
    except KeyringUnavailable as error:
        raise KeyringUnavailable(f"{place}: {error}", error.cooldown) from None
    except KeyringError as error:
        raise KeyringError(f"{place}: {error}") from None
    return ring


def _place(uri: str, namespace: str) -> str:
    place = uri.replace(PLACEHOLDER, place_name(namespace))
    scheme, _, path = place.partition(":")
    return f"{scheme}:{Path(path).absolute()}" if scheme == "file" else place


def _fresh_for(ring: Keyring | None) -> float:
    return _ABSENT_SECONDS if ring is None else RING_LIFE.fresh


def _file(path: str) -> Loader:
    def load(namespace: str) -> Keyring:
        ring = Path(path.replace(PLACEHOLDER, place_name(namespace)))
        try:
            with ring.open("rb") as file:
                return Keyring.from_json(file.read(MAX_RING_BYTES + 1))
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENAMETOOLONG}:
                raise
            raise KeyringNotFound(f"there is no file {ring}") from None

    return load


def _secrets_manager(name: str) -> Loader:
    try:
        from temporal_codec.keys.secrets_manager import (  # noqa: PLC0415 — it costs 0.2 s
            SecretsManagerLoader,
        )
    except ImportError:
        raise KeyringError(f"secretsmanager: needs botocore: {install('aws')}") from None
    return SecretsManagerLoader(name)


_LOADERS: dict[str, Callable[[str], Loader]] = {
    "file": _file,
    "secretsmanager": _secrets_manager,
}
