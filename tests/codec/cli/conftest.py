"""An operator at a terminal, whose every output is searched for keys (rule K8)."""

import json
import socket
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from temporal_codec import Key, Keyring, KeyringError
from temporal_codec.cli.app import app

SAMPLE_KEY = b"test-key-test-key-test-key-test!"
NOW = datetime.now(UTC)


def aged(number: int, age: timedelta) -> Key:
    """A key that began to seal so long ago; a negative age is still to come."""
    return Key(f"key-{number}", bytes([number]) * 32, NOW - age)


def put(path: Path, *keys: Key) -> None:
    """Write a ring as its owner would."""
    path.write_bytes(Keyring(keys).to_json())
    path.chmod(0o600)


@dataclass
class Done:
    """How a command ended, and what it said on both ways out."""

    code: int
    said: str


@dataclass
class Operator:
    """Runs commands on one ring, whose text `read` gives."""

    name: str
    read: Callable[[], bytes | None]
    secrets: set[bytes] = field(default_factory=lambda: {SAMPLE_KEY})

    def keys(self, command: str, *arguments: str, typed: str | bytes = "") -> Done:
        """Run `temporal-codec keys COMMAND RING ...`; no output may hold a key."""
        self._learn()
        result = CliRunner().invoke(app, ["keys", command, self.name, *arguments], input=typed)
        self._learn()
        assert isinstance(result.exception, SystemExit | None), repr(result.exception)
        holds_no_key(result.output, self.secrets)
        return Done(result.exit_code, " ".join(result.output.split()))

    def roles(self) -> list[str]:
        """What each key does, as `keys list --json` says."""
        done = self.keys("list", "--json")
        assert done.code == 0, done.said
        return [row["role"] for row in json.loads(done.said)["keys"]]

    @property
    def ring(self) -> Keyring:
        """The ring as it is now."""
        return Keyring.from_json(self.read() or b"")

    @property
    def document(self) -> Any:
        """Its JSON."""
        return json.loads(self.read() or b"")

    def _learn(self) -> None:
        text = self.read()
        with suppress(KeyringError):  # a broken ring is what some tests are about
            self.secrets |= {key.secret for key in Keyring.from_json(text or b"")}


def spellings(secret: bytes) -> list[bytes]:
    """The ways in which a key could slip out."""
    return [
        secret,
        secret.hex().encode(),
        b64encode(secret),
        urlsafe_b64encode(secret).rstrip(b"="),
        str(list(secret))[1:-1].encode(),
    ]


def holds_no_key(output: str, secrets: set[bytes]) -> None:
    """K8: raw, in hex, base64, base64url, or as a list."""
    # Tables and boxes break lines.
    for text in (output.encode(), "".join(output.split()).encode()):
        assert not [1 for secret in secrets for each in spellings(secret) if each in text]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the operator's ring is, or will be."""
    return tmp_path / "ring.json"


@pytest.fixture
def operator(path: Path) -> Operator:
    """An operator of a ring in a file, which is not there yet."""
    return Operator(str(path), lambda: path.read_bytes() if path.exists() else None)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`codec.test` is loopback, and yet a name that no browser takes for this machine."""
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "codec.test" else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
