"""Who is measured: from the bytes of a request's body to the bytes of the answer's."""

import asyncio
import gc
import os
from collections.abc import Callable
from typing import cast

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pybase64 import b64decode, b64encode

from benchmarks.cases import KEY
from handlers.server import app, operations
from handlers.server.request import Request
from handlers.settings.server import server_settings
from temporal_codec import wire
from temporal_codec.keys.sources import KeySource, open_source

Serve = Callable[[bytes], bytes]


def ours(operation: str, source: KeySource | None = None) -> Serve:
    """The server's own functions, every strictness switched on; HTTP is not part of it.

    With keys from this source, which must hold them.
    """
    app.keep_large_buffers()
    source = source or open_source("development")
    tools = operations.Tools(server_settings({}), source, None)
    run = operations.RUNS[operation]
    scope = {"method": "POST", "path": "/", "headers": (), "query_string": b""}
    request = Request(scope, lambda: asyncio.sleep(0, {}))

    def serve(body: bytes) -> bytes:
        job = operations.Job("default", wire.read(body, wire.MAX_PAYLOADS), request)
        try:
            next(run(job, tools).__await__())
        except StopIteration as done:  # at once: nothing has to be fetched
            return cast("bytes", done.value.body)
        raise AssertionError("it waits")

    gc.freeze()  # as the entries do
    return serve


def samples(operation: str) -> Serve:
    """The way of Temporal's Python sample."""
    from benchmarks.samples import Samples  # noqa: PLC0415 — the others need not load its SDK

    return cast("Serve", getattr(Samples(), operation))


class _BarePayload(msgspec.Struct):
    metadata: msgspec.Raw
    data: msgspec.Raw


class _BareRequest(msgspec.Struct):
    payloads: list[_BarePayload]


class Bare:
    """The library calls that any Python server makes, and nothing checked: the least there is."""

    def __init__(self) -> None:
        app.keep_large_buffers()
        self._cipher = AESGCM(KEY.secret)
        self._decoder = msgspec.json.Decoder(_BareRequest)

    def decode(self, body: bytes) -> bytes:
        """As if every payload were json/plain under the one key."""
        opened = []
        for payload in self._decoder.decode(body).payloads:
            sealed = memoryview(b64decode(memoryview(payload.data)[1:-1], None, True))
            inner = self._cipher.decrypt(sealed[:12], sealed[12:], None)
            opened.append(
                b'{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"%b"}' % b64encode(inner[24:])
            )
        return b'{"payloads":[%b]}' % b",".join(opened)

    def encode(self, body: bytes) -> bytes:
        """As if the serialized payload were its data."""
        sealed = []
        for payload in self._decoder.decode(body).payloads:
            nonce = os.urandom(12)
            plain = b64decode(memoryview(payload.data)[1:-1], None, True)
            data = b64encode(nonce + self._cipher.encrypt(nonce, plain, None))
            sealed.append(b'{"metadata":{"encoding":"","encryption-key-id":""},"data":"%b"}' % data)
        return b'{"payloads":[%b]}' % b",".join(sealed)


CONTESTANTS: dict[str, Callable[[str], Serve]] = {
    "ours": ours,
    "samples": samples,
    "bare": lambda operation: getattr(Bare(), operation),
}
