"""Servers of a test's own, byte by byte: what a peer or a proxy may do at worst."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.rigs.issuer import certificate

Serve = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """A server that treats each connection so; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def head(connection: socket.socket) -> bytes:
    """Read up to the empty line."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65_536)
        if not piece:
            break
        read += piece
    return read


@contextmanager
def over_tls(
    folder: Path,
    answer: Serve,
    hosts: tuple[str, ...] = ("localhost",),
    before: Callable[[], object] = lambda: None,
) -> Iterator[int]:
    """A server that answers so over TLS; its certificate is `cert.pem` in the folder.

    `before` is called with each connection, before its handshake.
    """
    cert, private = certificate(folder, hosts=hosts)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, private)

    def serve(connection: socket.socket) -> None:
        connection.settimeout(10)
        before()
        with tls.wrap_socket(connection, server_side=True) as stream:
            answer(stream)

    with listening(serve) as port:
        yield port


def answer_ok(stream: socket.socket) -> None:
    """Answer one request."""
    head(stream)
    stream.sendall(OK)


def tunnel(asked: list[bytes], reply: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Serve:
    """A proxy that connects to whatever it is asked for."""

    def serve(connection: socket.socket) -> None:
        request = head(connection)
        asked.append(request)
        connection.sendall(reply)
        if b" 200 " not in reply:
            return
        port = int(request.split(b" ")[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
            back.start()
            _copy(connection, onward)
            back.join(5)

    return serve


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # one side is gone
        while piece := source.recv(65_536):
            target.sendall(piece)
