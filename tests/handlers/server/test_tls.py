"""The local server with TLS against clients that never complete a handshake."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from handlers.server.connection import MAX_CONNECTIONS
from tests.handlers.server.test_connection import connect, open_files, received, resident
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import certificate

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""A client's first message, cut."""
EMPTY = b'{"payloads":[]}'


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cert, private = certificate(tmp_path_factory.mktemp("tls"))
    return {"TLS_CERT": str(cert), "TLS_KEY": str(private), "ACCESS_LOG": "off"}


@pytest.fixture(scope="module")
def server(settings: dict[str, str]) -> Iterator[CodecServer]:
    with codec_server(settings) as running:
        yield running


def test_a_handshake_that_does_not_end_has_ten_seconds(server: CodecServer) -> None:
    with connect(server) as silent, connect(server) as halfway:
        halfway.sendall(HELLO)
        assert (received(silent), received(halfway)) == (b"", b"")
    assert "too slow" in server.log()
    assert "Traceback" not in server.log()


def test_what_is_no_handshake_is_closed_without_a_message(server: CodecServer) -> None:
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not received(client).startswith(b"HTTP")
    assert "Traceback" not in server.log()


def test_handshakes_that_do_not_end_keep_nobody_out(server: CodecServer) -> None:
    """They are counted among the connections: the ones that wait longest make room."""
    before, anew = resident(server), {"connection": "close"}
    with ExitStack() as stack:
        for number in range(2 * MAX_CONNECTIONS):
            stack.enter_context(connect(server)).sendall(HELLO)
            if number % 100 == 0:
                assert server.post("/decode", EMPTY, headers=anew).status_code == 200
        assert open_files(server) < MAX_CONNECTIONS + 50
        assert resident(server) - before < 128


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_ends_handshakes(settings: dict[str, str], workers: str) -> None:
    """After a request over TLS, so that each number of processes serves it."""
    with codec_server({**settings, "WORKERS": workers}) as server, connect(server) as client:
        client.sendall(HELLO)
        assert server.post("/decode", EMPTY).json() == json.loads(EMPTY)
        server.client.close()
        os.kill(server.running.process.pid, signal.SIGTERM)
        assert server.running.process.wait(30) == 0
