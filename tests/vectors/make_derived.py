"""Writes derive-*.json when it is run. It shares no code with the codec."""

import json
from base64 import b64encode
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET = bytes(range(32))
NONCE = bytes(range(100, 112))
TEXT = b'"derived"'
# The serialized Payload {metadata: {"encoding": "json/plain"}, data: TEXT}.
PLAIN = b"\x0a\x16\x0a\x08encoding\x12\x0ajson/plain" + b"\x12" + bytes([len(TEXT)]) + TEXT

CASES = {
    "plain": ("2026-11-a1b2c3", "orders"),
    "dotted": ("2026-11-a1b2c3", "orders-prod.a1b2c"),
    "unicode": ("schlüssel \U0001f511", "bestellungen-größe \U0001f4e6"),
    "long": ("k" * 255, "n" * 1000),
    "punctuation": ('a/b:"c"', "../orders"),
}


def derived(secret: bytes, key_id: str, namespace: str) -> bytes:
    """The key of one namespace, as docs/format.md says."""
    info = b"temporal-codec/derive/v1" + b"\0" + key_id.encode() + b"\0" + namespace.encode()
    return HKDF(SHA256(), 32, salt=b"", info=info).derive(secret)


def vector(name: str, key_id: str, namespace: str) -> dict[str, object]:
    """One case."""
    own = derived(SECRET, key_id, namespace)
    sealed = NONCE + AESGCM(own).encrypt(NONCE, PLAIN, None)
    entry = {
        "id": key_id,
        "key": _text(SECRET),
        "activation_date": "2026-11-23T00:00:00Z",
        "derive": "namespace",
    }
    metadata = {"encoding": _text(b"binary/encrypted"), "encryption-key-id": _text(key_id.encode())}
    plain = {"metadata": {"encoding": _text(b"json/plain")}, "data": _text(TEXT)}
    return {
        "name": f"derive-{name}",
        "key": _text(SECRET),
        "id": key_id,
        "namespace": namespace,
        "derived": _text(own),
        "ring": {"keys": [entry]},
        "request": {"payloads": [{"metadata": metadata, "data": _text(sealed)}]},
        "expect": {"payloads": [plain]},
    }


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def main() -> None:
    """Write every case beside this file."""
    for name, case in CASES.items():
        text = json.dumps(vector(name, *case), indent=1, ensure_ascii=False)
        Path(__file__).with_name(f"derive-{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
