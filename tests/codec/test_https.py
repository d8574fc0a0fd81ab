"""The one HTTPS client: bounded in time and size, whatever a server or a proxy does (rule J1)."""

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from temporal_codec import https
from temporal_codec.https import MAX_HEAD_BYTES, ExchangeError, Peer, Proxy, Reply, Stage
from tests.rigs.sockets import OK, Serve, answer_ok, head, listening, over_tls, tunnel

GET = b"GET / HTTP/1.1\r\n\r\n"
LOOPBACK = ["127.0.0.1"]


def says(answer: bytes) -> Serve:
    """A server that sends this and hangs up."""

    def serve(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(answer)

    return serve


def silent(connection: socket.socket) -> None:
    """A server that takes a request and says nothing until the client goes."""
    head(connection)
    connection.recv(1)


def asked(
    serve: Serve,
    seconds: float = 10,
    max_bytes: int = 10,
    request: bytes = GET,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """What a server answers; its name need not resolve."""
    with listening(serve) as port:
        peer = Peer("nowhere.invalid", port, tls)
        return peer.exchange(request, seconds, max_bytes, LOOPBACK)


def test_an_answer_has_its_status_headers_and_body() -> None:
    answer = b"HTTP/1.1 404 No\r\nX-A: B\r\nContent-Length: 2\r\n\r\n{}"
    assert asked(says(answer)) == (404, (("x-a", "B"), ("content-length", "2")), b"{}")


def test_a_certificate_and_a_version_are_told(tmp_path: Path) -> None:
    """The doctor shows them; without TLS there are none."""
    with over_tls(tmp_path, answer_ok) as port:
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        peer = Peer("localhost", port, context)
        assert (peer.version, peer.certificate) == ("plain HTTP", {})
        peer.exchange(GET, 10, 10)
    assert peer.version.startswith("TLSv1.")
    assert ("DNS", "localhost") in peer.certificate["subjectAltName"]


FAULTS: dict[str, tuple[Callable[[], Any], Stage, str]] = {
    "no name": (
        lambda: Peer("nowhere.invalid", 1, None).exchange(GET, 5, 10),
        Stage.RESOLVE,
        "the host name cannot be resolved (gaierror)",
    ),
    "no listener": (
        lambda: Peer("localhost", 1, None).exchange(GET, 5, 10, LOOPBACK),
        Stage.CONNECT,
        "no connection (ConnectionRefusedError)",
    ),
    "not TLS": (
        lambda: asked(lambda connection: connection.sendall(GET), tls=ssl.create_default_context()),
        Stage.TLS,
        "no TLS (SSLError)",
    ),
    "cut off": (
        lambda: asked(says(OK[:-1])),
        Stage.ANSWER,
        "no answer (IncompleteRead)",
    ),
    "not HTTP": (
        lambda: asked(says(b"hello\r\n")),
        Stage.HTTP,
        "the answer is not HTTP (BadStatusLine)",
    ),
    "a chunk below zero": (
        lambda: asked(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}")),
        Stage.HTTP,
        "the answer is not HTTP (ValueError)",
    ),
    "too large": (lambda: asked(says(OK), max_bytes=1), Stage.SIZE, "the answer is too large"),
    "too large, with no length": (
        lambda: asked(says(b"HTTP/1.1 200 OK\r\n\r\n{}"), max_bytes=1),
        Stage.SIZE,
        "the answer is too large",
    ),
    "silent": (
        lambda: asked(silent, 0.2),
        Stage.ANSWER,
        "no answer (TimeoutError)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_failed_at(name: str) -> None:
    exchange, stage, message = FAULTS[name]
    with pytest.raises(ExchangeError) as caught:
        exchange()
    assert (caught.value.stage, str(caught.value)) == (stage, message)


@pytest.mark.parametrize("through", ["nothing", "a proxy"])
def test_a_head_and_a_body_may_have_their_sizes_and_not_a_byte_more(through: str) -> None:
    """A proxy's answer has a head alone."""
    body = b"" if through == "a proxy" else b"0123456789"

    def exchange(more: int) -> Any:
        start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-A: " % len(body)
        size = MAX_HEAD_BYTES + more - len(start) - 4
        answer = start + b"a" * size + b"\r\n\r\n" + body
        if through == "nothing":
            return asked(says(answer))
        proxied: list[bytes] = []
        with listening(answer_ok) as port, listening(tunnel(proxied, answer)) as proxy:
            return Peer("localhost", port, None, Proxy("127.0.0.1", proxy)).exchange(GET, 10, 10)

    assert MAX_HEAD_BYTES == 16_384
    assert exchange(0).body == (body or b"{}")
    with pytest.raises(ExchangeError) as caught:
        exchange(1)
    assert caught.value.stage is Stage.SIZE


@pytest.mark.parametrize("left", [1, 0])
def test_the_last_second_counts(left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time left nothing is tried."""
    monkeypatch.setattr(https, "time", SimpleNamespace(monotonic=lambda: 5.0))
    if left:
        assert asked(answer_ok, left).body == b"{}"
    else:
        with pytest.raises(ExchangeError, match=r"no connection \(TimeoutError\)"):
            asked(answer_ok, left)


@pytest.mark.parametrize("secured", [False, True])
def test_each_step_has_all_the_time_that_is_left(
    secured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an address had to connect is the least of it: here a millisecond."""
    ready = threading.Event()
    connect = socket.create_connection

    def briefly(*arguments: Any) -> socket.socket:
        connected = connect(*arguments)
        connected.settimeout(0.001)
        threading.Timer(0.1, ready.set).start()
        return connected

    def slow(connection: socket.socket) -> None:
        ready.wait(10)
        left = len(large)
        while left and (piece := connection.recv(1 << 20)):
            left -= len(piece)
        connection.sendall(OK)

    large = GET + bytes(20_000_000)
    monkeypatch.setattr(socket, "create_connection", briefly)
    if not secured:
        assert asked(slow, request=large).body == b"{}"
        return
    with over_tls(tmp_path, answer_ok, before=lambda: ready.wait(10)) as port:
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        assert Peer("localhost", port, context).exchange(GET, 10, 10).body == b"{}"


def test_addresses_share_the_time_and_the_first_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that swallows everything must not take the time of the next."""
    tried: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], seconds: float) -> socket.socket:
        tried.append((address[0], round(seconds / 100)))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ExchangeError) as caught:
        Peer("localhost", 1, None).exchange(GET, 6000, 10, ["192.0.2.1", "192.0.2.2"])
    assert caught.value.stage is Stage.CONNECT
    assert tried == [("192.0.2.1", 20), ("192.0.2.2", 30), ("192.0.2.1", 60)]


def test_a_certificate_that_is_not_trusted_is_not_tried_again(tmp_path: Path) -> None:
    """It will not be trusted a moment later; what drops a connection is tried once more."""
    opened: list[int] = []
    context = ssl.create_default_context()

    def exchange(port: int) -> Stage:
        with pytest.raises(ExchangeError) as caught:
            Peer("localhost", port, context).exchange(GET, 10, 10, LOOPBACK)
        return caught.value.stage

    with over_tls(tmp_path, answer_ok, before=lambda: opened.append(1)) as port:
        assert exchange(port) is Stage.TLS
    assert len(opened) == 1


def test_a_request_that_was_sent_is_not_sent_again() -> None:
    sent: list[bytes] = []
    with pytest.raises(ExchangeError):
        asked(lambda connection: sent.append(head(connection)))
    assert sent == [GET]


@pytest.mark.parametrize(
    ("host", "written"), [("a.example.com", "a.example.com"), ("::1", "[::1]")]
)
@pytest.mark.parametrize("credentials", ["", "user:p@ss"])
def test_a_proxy_is_told_the_host_and_the_credentials(
    host: str, written: str, credentials: str
) -> None:
    seen: list[bytes] = []
    with listening(answer_ok) as port, listening(tunnel(seen)) as proxy:
        peer = Peer(host, port, None, Proxy("127.0.0.1", proxy, credentials))
        assert peer.exchange(GET, 10, 10).body == b"{}"
    token = b64encode(credentials.encode()).decode()
    assert seen[0].decode().split("\r\n") == [
        *(f"CONNECT {written}:{port} HTTP/1.1", f"Host: {written}:{port}"),
        "User-Agent: temporal-codec-server",
        *([f"Proxy-Authorization: Basic {token}"] if credentials else []),
        *("", ""),
    ]


@pytest.mark.parametrize("secured", [False, True])
def test_a_connection_of_no_use_is_closed_at_once(secured: bool) -> None:
    """And not when the error that tells of it is forgotten."""
    closed = threading.Event()

    def refuse(connection: socket.socket) -> None:
        head(connection)
        connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        if not connection.recv(1):
            closed.set()

    with listening(refuse) as port:
        context = ssl.create_default_context() if secured else None
        peer = Peer("localhost", port, context, Proxy("127.0.0.1", port))
        with pytest.raises(ExchangeError) as caught:
            peer.exchange(GET, 10, 10)
        assert closed.wait(5)
    assert caught.value.stage is Stage.PROXY


def test_a_proxy_that_trickles_is_given_up_in_time() -> None:
    """The total deadline holds for the proxy's answer too."""
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        head(connection)
        while not stop.wait(0.1):
            connection.sendall(b"H")

    context = ssl.create_default_context()
    with listening(trickle) as port:
        peer = Peer("codec.example.com", 443, context, Proxy("127.0.0.1", port))
        with pytest.raises(ExchangeError) as caught:
            peer.exchange(b"GET / HTTP/1.1\r\n\r\n", 0.6, 10)
        stop.set()
    assert (caught.value.stage, type(caught.value.cause)) == (Stage.PROXY, TimeoutError)


def test_a_proxy_that_refuses_is_named_as_such() -> None:
    """Its credentials stand in no message."""
    asked: list[bytes] = []
    with listening(tunnel(asked, b"HTTP/1.1 407 No\r\n\r\n")) as port:
        proxy = Proxy("127.0.0.1", port, "user:s3cret")
        peer = Peer("codec.example.com", 443, ssl.create_default_context(), proxy)
        with pytest.raises(ExchangeError) as caught:
            peer.exchange(b"GET / HTTP/1.1\r\n\r\n", 5, 10)
    assert str(caught.value) == "the proxy does not connect"
    assert "s3cret" not in repr(caught.value) + repr(proxy)
    assert len(asked) == 1
