"""Decode and encode in the way of Temporal's Python samples."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf import json_format  # noqa: TID251 — it is what we are compared with
from temporalio.api.common.v1 import Payload, Payloads

from benchmarks.cases import KEY


class Samples:
    """A codec and a server's conversions in the way of Temporal's official samples.

    protobuf's own JSON, one message object for each payload, AES-GCM of the same library.
    """

    def __init__(self) -> None:
        self._cipher = AESGCM(KEY.secret)

    def decode(self, body: bytes) -> bytes:
        """Parse, decrypt each, print."""
        request = json_format.Parse(body, Payloads())
        opened = []
        for payload in request.payloads:
            if payload.metadata.get("encoding", b"").decode() != "binary/encrypted":
                opened.append(payload)
                continue
            key_id = payload.metadata.get("encryption-key-id", b"").decode()
            if key_id != KEY.id:
                raise ValueError(key_id)
            data = payload.data
            opened.append(Payload.FromString(self._cipher.decrypt(data[:12], data[12:], None)))
        return json_format.MessageToJson(Payloads(payloads=opened)).encode()

    def encode(self, body: bytes) -> bytes:
        """Parse, encrypt each, print."""
        sealed = []
        for payload in json_format.Parse(body, Payloads()).payloads:
            nonce = os.urandom(12)
            data = nonce + self._cipher.encrypt(nonce, payload.SerializeToString(), None)
            metadata = {"encoding": b"binary/encrypted", "encryption-key-id": KEY.id.encode()}
            sealed.append(Payload(metadata=metadata, data=data))
        return json_format.MessageToJson(Payloads(payloads=sealed)).encode()
