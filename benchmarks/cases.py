"""The five cases, each a request of sealed payloads and the same request in plaintext."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from temporal_codec.encryption import seal, sealed_metadata
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import development_ring
from temporal_codec.protobuf import serialize

KEY = next(iter(development_ring()))
JSON_PLAIN = {"encoding": b"json/plain"}


@dataclass(frozen=True)
class Case:
    """So many payloads of so many bytes of plaintext."""

    name: str
    payloads: int
    size: int
    rounds: int
    """How often it is run in one measurement, so that each takes some ten milliseconds."""

    @property
    def data(self) -> bytes:
        """One payload's plaintext: a JSON string."""
        return b'"' + b"x" * (self.size - 2) + b'"'

    def sealed(self, key: Key = KEY) -> bytes:
        """The body of a request to /decode, as the Web UI writes it."""
        return _body(
            (
                sealed_metadata(key),
                seal(key, serialize(JSON_PLAIN, self.data), os.urandom(12)),
            )
            for _ in range(self.payloads)
        )

    def plain(self) -> bytes:
        """The body of a request to /encode."""
        return _body((JSON_PLAIN, self.data) for _ in range(self.payloads))


CASES = (
    Case("a", 1, 200, 1000),
    Case("b", 20, 1024, 100),
    Case("c", 100, 10 * 1024, 8),
    Case("d", 1, 2 << 20, 8),
    Case("e", 200, 200, 15),
)


def _body(payloads: Iterable[tuple[Mapping[str, bytes], bytes]]) -> bytes:
    written = [
        {
            "metadata": {name: b64encode(value).decode() for name, value in metadata.items()},
            "data": b64encode(data).decode(),
        }
        for metadata, data in payloads
    ]
    return json.dumps({"payloads": written}, separators=(",", ":")).encode()
