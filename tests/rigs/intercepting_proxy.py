"""A proxy that opens every TLS connection, as those of companies do, with a CA of its own."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

_SECONDS = 60


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, authority: trustme.CA, instead: Mapping[str, tuple[int, Path]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = authority
        self.instead = instead
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.hosts: set[str] = set()

    def context(self, host: str) -> ssl.SSLContext:
        if host not in self.contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(host).configure_cert(context)
            self.contexts[host] = context
        return self.contexts[host]


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with (
            suppress(OSError),
            self.server.context(host).wrap_socket(self.connection, server_side=True) as client,
        ):
            # Only a client that trusts our CA comes this far.
            self.server.hosts.add(host)
            if host in self.server.instead:
                _forward(client, "127.0.0.1", *self.server.instead[host])
            else:
                _forward(client, host, int(port))

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _forward(client: ssl.SSLSocket, host: str, port: int, trusted: Path | None = None) -> None:
    with (
        socket.create_connection((host, port), _SECONDS) as raw,
        ssl.create_default_context(cafile=trusted).wrap_socket(raw, server_hostname=host) as server,
    ):
        answers = threading.Thread(target=_pump, args=(server, client), daemon=True)
        answers.start()
        _pump(client, server)
        answers.join(_SECONDS)


def _pump(source: ssl.SSLSocket, sink: ssl.SSLSocket) -> None:
    source.settimeout(_SECONDS)
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def intercepting_proxy(
    instead: Mapping[str, tuple[int, Path]] | None = None,
) -> Iterator[tuple[str, str, set[str]]]:
    """Run one; gives its address, its CA as PEM, and the hosts that clients have talked to.

    `instead` leads a host to a port of this machine, and says which certificate is there.
    """
    authority = trustme.CA()
    server = _Proxy(authority, instead or {})
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        pem = authority.cert_pem.bytes().decode()
        yield f"http://127.0.0.1:{server.server_port}", pem, server.hosts
    finally:
        server.shutdown()
        server.server_close()
