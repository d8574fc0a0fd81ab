"""The local server against clients that send too much, too slowly, or nothing at all."""

import asyncio
import json
import os
import resource
import signal
import socket
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import pytest

from handlers.server import connection
from handlers.server.connection import Waiting
from temporal_codec.protobuf import serialize
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.waiting import eventually

POST = b"POST /decode HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
EMPTY = POST + b'content-length: 15\r\n\r\n{"payloads":[]}'
CHUNKED = POST + b'transfer-encoding: chunked\r\n\r\nf\r\n{"payloads":[]}\r\n'


@pytest.fixture(scope="module")
def server() -> Iterator[CodecServer]:
    with codec_server({"ACCESS_LOG": "off"}) as running:
        yield running


def connect(server: CodecServer) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def received(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    pieces = []
    with suppress(ConnectionError):
        while piece := client.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def resident(server: CodecServer) -> int:
    """MiB of memory that are resident."""
    status = Path(f"/proc/{server.running.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (CHUNKED + b"0\r\n", b"x-many: 1\r\n" * 6_000),
        (CHUNKED + b"0\r\nx: ", b"a" * 65_536),
        (CHUNKED + b"1;a=", b"a" * 65_536),
        (b"GET /", b"a" * 65_536),
        (POST + b"x: ", b"a" * 65_536),
        (POST, b"x-many: 1\r\n" * 6_000),
        (POST + b"x", b"y" * 65_536),
    ],
    ids=["trailers", "trailer", "extension", "url", "value", "many", "name"],
)
def test_a_head_without_end_is_cut(server: CodecServer, start: bytes, piece: bytes) -> None:
    """60 MB on one connection without a token once took 585 MB."""
    before = resident(server)
    with connect(server) as client:
        client.sendall(start)
        with suppress(ConnectionError):
            for _ in range(60_000_000 // len(piece)):
                client.sendall(piece)
        assert received(client)[:12] in {b"HTTP/1.1 431", b""}  # its reset may be quicker
    assert resident(server) - before < 16
    assert server.post("/decode", b'{"payloads":[]}').status_code == 200


@pytest.mark.parametrize(
    "rest", [b"x: " + b"a" * 17_000 + b"\r\n", b"a:\r\n" * 4_500], ids=["long", "many"]
)
def test_a_complete_head_that_is_too_large_is_431(server: CodecServer, rest: bytes) -> None:
    """In one packet, too; a header takes what it takes on its way, however short it is."""
    with connect(server) as client:
        client.sendall(POST + rest + b"\r\n")
        assert received(client).startswith(b"HTTP/1.1 431")


def test_a_head_of_the_largest_size_is_served(server: CodecServer) -> None:
    reply = server.post("/decode", b'{"payloads":[]}', headers={"x-long": "a" * 15_000})
    assert reply.status_code == 200


def test_pipelined_requests_are_answered_in_order(server: CodecServer) -> None:
    """A large body before the next head does not count as a part of it."""
    large = b'{"payloads":[]}'.ljust(60_000)
    one = POST + b"content-length: 60000\r\n\r\n" + large
    with connect(server) as client:
        client.sendall(one + EMPTY + one + POST + b"connection: close\r\n" + EMPTY[len(POST) :])
        assert received(client).count(b"HTTP/1.1 200") == 4


def test_the_end_of_one_head_and_the_beginning_of_another_are_not_one_head(
    server: CodecServer,
) -> None:
    """They may arrive together, with a body between that is larger than a head may be."""
    large = b'{"payloads":[]}'.ljust(20_000)
    with connect(server) as client:
        client.sendall(POST[:40])
        time.sleep(0.2)
        client.sendall(POST[40:] + b"content-length: 20000\r\n\r\n" + large + POST[:40])
        time.sleep(0.2)
        client.sendall(POST[40:] + b"connection: close\r\n" + EMPTY[len(POST) :])
        assert received(client).count(b"HTTP/1.1 200") == 2


def test_a_client_that_sends_requests_without_an_end_is_cut(server: CodecServer) -> None:
    """Objects were made of each: 20 MB of them once took 406 MB."""
    before = resident(server)
    with connect(server) as client, suppress(ConnectionError):
        for _ in range(2_000):
            client.sendall(EMPTY * 100)
    assert resident(server) - before < 16
    assert server.post("/decode", b'{"payloads":[]}').status_code == 200


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 15\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 15\r\ncontent-length: 16\r\n",
        b"content-length: -1\r\n",
        b"content-length: +15\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"content-length : 15\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"x: a\r\n b\r\ncontent-length: 15\r\n",
    ],
)
def test_a_length_that_two_servers_could_read_differently_is_400(
    server: CodecServer, framing: bytes
) -> None:
    """A proxy in front might see another request in the rest."""
    with connect(server) as client:
        client.sendall(POST + framing + b"\r\n" + b'{"payloads":[]}')
        found = received(client)
    assert found.startswith(b"HTTP/1.1 400")
    assert found.count(b"HTTP/1.1") == 1


def test_http_1_0_is_answered_and_closed(server: CodecServer) -> None:
    with connect(server) as client:
        client.sendall(EMPTY.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert received(client).endswith(b'{"payloads":[]}')


def test_a_body_without_length_is_none(server: CodecServer) -> None:
    """RFC 9112: a request without length and chunks has no body, so this is a malformed one."""
    with connect(server) as client:
        client.sendall(POST + b"connection: close\r\n\r\n")
        assert received(client).startswith(b"HTTP/1.1 400")


def test_a_body_in_chunks_is_bounded(server: CodecServer) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with connect(server) as client:
        with suppress(ConnectionError):
            client.sendall(POST + b"transfer-encoding: chunked\r\n\r\n" + chunk * 80)
        assert received(client).startswith(b"HTTP/1.1 413")


def test_a_trailer_is_no_header() -> None:
    """A proxy that replaces a header need not look for it behind the body."""
    with codec_server() as server, connect(server) as client:
        client.sendall(CHUNKED + b"0\r\nx-namespace: forged\r\n\r\n" + EMPTY)
        eventually(lambda: server.log().count("status=200") == 2)
        assert "forged" not in server.log()


def test_what_is_no_http_is_400(server: CodecServer) -> None:
    with connect(server) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert received(client).startswith(b"HTTP/1.1 400")


def test_a_client_that_is_gone_halfway_leaves_nothing(server: CodecServer) -> None:
    for sent in (b"", POST, POST + b"content-length: 99\r\n\r\n{", EMPTY):
        with connect(server) as client:
            client.sendall(sent)
    assert server.post("/decode", b'{"payloads":[]}').status_code == 200


def open_files(server: CodecServer) -> int:
    return len(list(Path(f"/proc/{server.running.process.pid}/fd").iterdir()))


def test_idle_connections_keep_nobody_out_and_take_bounded_files_and_memory(
    server: CodecServer,
) -> None:
    """The ones that wait longest make room; `IDLE=10000` opens as many."""
    count = int(os.environ.get("IDLE", 2 * connection.MAX_CONNECTIONS))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count + 200), hard), hard))
    before = resident(server)
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(connect(server)).sendall(b"P")
            if number % 50 == 0:
                assert server.post("/decode", b'{"payloads":[]}').status_code == 200
        assert open_files(server) < connection.MAX_CONNECTIONS + 50
        assert resident(server) - before < 64


def test_who_sends_no_more_after_a_request_is_answered(server: CodecServer) -> None:
    """A half-closed connection is not a client that is gone."""
    with connect(server) as client:
        client.sendall(EMPTY)
        client.shutdown(socket.SHUT_WR)
        assert received(client).endswith(b'{"payloads":[]}')


class Transport:
    """A transport whose client may read or not."""

    def __init__(self, unread: int = 0) -> None:
        self.unread, self.aborted = unread, False

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unread


class Client(connection.BoundedConnection):
    """A connection that has only its transport."""

    def __init__(self, unread: int = 0) -> None:
        self.seen = Transport(unread)
        self.transport = self.seen  # type: ignore[assignment]
        self._unread = unread

    def is_closed(self) -> bool:
        return self.seen.aborted


def test_an_unfinished_head_has_ten_seconds() -> None:
    now = [0.0]
    waiting, slow, new = Waiting(lambda: now[0]), Client(), Client()
    waiting.add(slow)
    now[0] = 9.0
    waiting.add(new)
    asyncio.run(waiting.look())
    assert not slow.is_closed()
    now[0] = 10.0
    asyncio.run(waiting.look())
    assert slow.is_closed()
    assert not new.is_closed()


def test_who_reads_an_answer_has_longer() -> None:
    """A quarter of what is left in ten seconds: else it holds the answer's memory for good."""
    now = [0.0]
    waiting, reads, stops = Waiting(lambda: now[0]), Client(1000), Client(1000)
    waiting.add(reads)
    waiting.add(stops)
    now[0], reads.seen.unread, stops.seen.unread = 10.0, 700, 800
    asyncio.run(waiting.look())
    assert (reads.is_closed(), stops.is_closed()) == (False, True)
    now[0] = 20.0
    asyncio.run(waiting.look())
    assert reads.is_closed()


def send(client: socket.socket, data: bytes) -> None:
    with suppress(ConnectionError):
        client.sendall(data)


def test_bodies_on_their_way_take_bounded_memory(server: CodecServer) -> None:
    """300 that did not end once took 1.5 GB; small requests are answered meanwhile."""
    before = resident(server)
    begun = POST + b"content-length: 4400000\r\n\r\n" + b" " * 4_390_000
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(60)]
        for client in clients:
            send(client, begun)
        assert server.post("/decode", b'{"payloads":[]}').status_code == 200
        assert resident(server) - before < 200
        send(clients[0], b" " * 10_000)
        answers = [clients[n].recv(12) for n in (0, -1)]
        assert answers == [b"HTTP/1.1 400", b"HTTP/1.1 503"]
    eventually(lambda: server.post("/decode", b"x" * 100_000).status_code == 400)


def test_answers_that_nobody_reads_take_bounded_memory(server: CodecServer) -> None:
    """5 KB ask for 5 MB: the clients that wait longest are closed."""
    before = resident(server)
    inner = serialize({"encoding": b"json/plain"}, b"1" * 3_900_000)
    data = b64encode(zlib.compress(inner)).decode()
    payload = {"metadata": {"encoding": b64encode(b"binary/zlib").decode()}, "data": data}
    asked = json.dumps({"payloads": [payload]}).encode()
    with ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
            send(client, POST + b"content-length: %d\r\n\r\n" % len(asked) + asked)
        eventually(lambda: "too much to read" in server.log())
        assert server.post("/decode", asked).status_code == 200
        assert resident(server) - before < 250


def test_slow_clients_are_closed_and_told(server: CodecServer) -> None:
    """One sends a byte now and then, one sends nothing, and one reads none of many answers."""
    large = b'{"payloads":[{"metadata":{"encoding":"b3du"},"data":"%b"}]}' % (b"A" * 4_000_000)
    request = POST + b"content-length: %d\r\n\r\n" % len(large) + large
    with connect(server) as dribbles, connect(server) as silent, connect(server) as deaf:
        sending = Thread(target=send, args=(deaf, request * 5))
        sending.start()
        with suppress(ConnectionError):
            for byte in POST[:25]:
                dribbles.sendall(bytes([byte]))
                time.sleep(0.6)
        assert received(dribbles) == b""
        assert received(silent) == b""
        eventually(lambda: "closed 3 connections: too slow" in server.log())
        sending.join()
        assert len(received(deaf)) < 5 * len(large)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_lets_requests_finish(workers: str) -> None:
    """A request on its way is answered, and the server ends with status 0."""
    with codec_server({"WORKERS": workers}) as server, connect(server) as client:
        client.sendall(EMPTY[:-5])
        time.sleep(1)
        os.kill(server.running.process.pid, signal.SIGTERM)
        time.sleep(1)
        client.sendall(EMPTY[-5:])
        assert received(client).endswith(b'{"payloads":[]}')
        assert server.running.process.wait(30) == 0
