"""A ring by the name that somebody gave on the command line."""

import re

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.file import FileStore
from temporal_codec.cli.keys.store import RingStore, Stored
from temporal_codec.errors import InvalidNamespace, KeyringError, install
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.sources import open_source
from temporal_codec.namespace import PLACEHOLDER

_SCHEME = re.compile(r"[a-z][a-z0-9]+")
_KINDS = "A ring is file:PATH, a PATH, or secretsmanager:NAME."


def open_store(ring: str) -> RingStore:
    """The place that a name stands for; raises CliError where it is no ring's name."""
    if PLACEHOLDER in ring:
        raise CliError(
            f"{PLACEHOLDER} stands for every namespace's own ring. Give one namespace's name in "
            "its place, for example secretsmanager:temporal-codec/orders."
        )
    if ring == "development":
        raise CliError(f"The development ring is fixed, and everybody has its keys. {_KINDS}")
    scheme, name = _parts(ring)
    if not name or scheme not in {"file", "secretsmanager"}:
        raise CliError(f"This names no key ring. {_KINDS}")
    return FileStore(name) if scheme == "file" else _secret(name)


def open_keys(ring: str, namespace: str) -> Keys:
    """A namespace's keys, to read with; raises CliError. Nothing is fetched yet."""
    try:
        # `development` is a URI of its own, and no file.
        source = open_source(ring if ring == "development" else ":".join(_parts(ring)))
        return source.keys(namespace)
    except InvalidNamespace:
        raise CliError("This is no namespace's name. Look at --namespace.") from None
    except KeyringError as error:
        raise CliError(f"This names no key ring: {error}.") from None


def load(store: RingStore) -> tuple[Stored, Keyring]:
    """A ring that is there and in order; raises CliError."""
    stored = store.read()
    if stored is None:
        raise CliError(f"There is no {store.uri}. `temporal-codec keys new` makes one.")
    return stored, parse(store, stored.text)


def parse(store: RingStore, text: bytes) -> Keyring:
    """The ring that a store's text is; raises CliError."""
    try:
        return Keyring.from_json(text)
    except KeyringError as error:
        raise CliError(f"{store.uri} is broken: {error}. {store.repair}") from None


def _parts(ring: str) -> tuple[str, str]:
    scheme, colon, name = ring.partition(":")
    return (scheme, name) if colon and _SCHEME.fullmatch(scheme) else ("file", ring)


def _secret(name: str) -> RingStore:
    try:
        from temporal_codec.cli.keys.secret import SecretStore  # noqa: PLC0415 — botocore costs 0.2 s
    except ImportError:
        raise CliError(f"secretsmanager: needs botocore: {install('cli')}") from None
    return SecretStore(name)
