"""Key rings by the name that the user gives."""

import re

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.keys.file import FileStore
from temporal_codec.cli.keys.store import RingStore, Stored
from temporal_codec.errors import (
    InvalidNamespace,
    KeyringError,
    KeyringUnavailable,
    PayloadError,
    Reason,
    install,
)
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import Keys
from temporal_codec.keys.sources import open_source
from temporal_codec.namespace import PLACEHOLDER, check_namespace, place_name

_SCHEME = re.compile(r"[a-z][a-z0-9]+")
_KINDS = "A ring is file:PATH, a PATH, or secretsmanager:NAME."


def open_store(ring: str, namespace: str | None = None) -> RingStore:
    """The place that a name stands for; raises CliError if it is not a ring's name."""
    scheme, name = _parts(ring)
    if scheme == "kms":
        raise WrongUsage(
            "With kms: there is no ring to make, show, change or check: AWS KMS makes the keys, "
            "and each payload carries its own. Enable, disable and rotate the KMS key with `aws "
            "kms`. docs/keys.md says more."
        )
    name = _with(name, namespace)
    if ring == "development":
        raise WrongUsage(f"The development ring is fixed, and everybody has its keys. {_KINDS}")
    if not name or scheme not in {"file", "secretsmanager"}:
        raise WrongUsage(f"This is not the name of a key ring. {_KINDS}")
    return FileStore(name) if scheme == "file" else _secret(name)


def setting(ring: str) -> str:
    """What CODEC_KEYRING is for servers and workers that use this ring."""
    scheme, name = _parts(ring)
    return FileStore(name).uri if scheme == "file" else f"{scheme}:{name}"


def _with(name: str, namespace: str | None) -> str:
    if PLACEHOLDER in name and namespace is None:
        raise WrongUsage(
            f"{PLACEHOLDER} stands for each namespace's own ring. Give one namespace's name with "
            "--namespace."
        )
    if PLACEHOLDER not in name and namespace is not None:
        raise WrongUsage(f"--namespace is only for rings whose name contains {PLACEHOLDER}.")
    try:
        return name.replace(PLACEHOLDER, place_name(check_namespace(namespace or "default")))
    except InvalidNamespace as error:
        raise WrongUsage(f"--namespace: {error}.") from None


def open_keys(ring: str, namespace: str) -> Keys:
    """A namespace's keys, to read with; raises CliError if there is no such ring."""
    try:
        # `development` is a URI of its own, and no file.
        source = open_source(ring if ring == "development" else ":".join(_parts(ring)))
        keys = source.keys(namespace)
        keys.opening(b"")  # no key has this id
    except InvalidNamespace:
        raise WrongUsage(
            "--namespace is not the name of a namespace. Write it as the Web UI shows it."
        ) from None
    except KeyringError as error:
        raise WrongUsage(f"This is not the name of a key ring: {error}.") from None
    except PayloadError as error:
        if error.reason is Reason.NO_KEYRING:
            raise WrongUsage(
                f"The key ring {ring} does not exist. Check --ring and --namespace."
            ) from None
    except KeyringUnavailable as error:
        raise CliError(f"The keys cannot be read: {error}.") from None
    return keys


def load(store: RingStore) -> tuple[Stored, Keyring]:
    """Read a ring; raises CliError if it is missing or broken."""
    stored = store.read()
    if stored is None:
        raise CliError(f"{store.uri} does not exist. `temporal-codec keys new` makes it.")
    return stored, parse(store, stored.text)


def parse(store: RingStore, text: bytes) -> Keyring:
    """Parse a ring's text; raises CliError."""
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
