"""The key that a server is known to have, and payloads that were encrypted with it."""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from secrets import token_bytes
from typing import Any

from temporal_codec import encryption
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import development_ring
from temporal_codec.protobuf import serialize

SAMPLES = "test-key-id"


@dataclass(frozen=True)
class Known:
    """A key that the server has."""

    key: Key = field(repr=False)

    @property
    def is_samples(self) -> bool:
        """Whether it is the key of Temporal's samples, which the vectors were made with."""
        return self.key.secret == samples_key().secret and self.key.id == SAMPLES

    def seal(self, contents: tuple[dict[str, bytes], bytes]) -> tuple[dict[str, bytes], bytes]:
        """Encrypt a payload."""
        nonce = token_bytes(encryption.NONCE_BYTES)
        data = encryption.seal(self.key, serialize(*contents), nonce)
        return encryption.sealed_metadata(self.key), data


def samples_key() -> Key:
    """The key of Temporal's encryption samples."""
    key = development_ring().get(SAMPLES.encode())
    if key is None:
        raise KeyringError("the development ring lacks the samples' key")
    return key


def vectors() -> list[dict[str, Any]]:
    """Requests of the official SDKs' samples with what each must decode to (vectors.json)."""
    text = files(__package__).joinpath("vectors.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found
