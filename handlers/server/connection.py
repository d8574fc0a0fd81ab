"""A connection of the local server: uvicorn's own, with bounds on head, time and number.

Uvicorn bounds neither the size of a head, nor the time in which it arrives, nor how many clients
stay connected: docs/decisions.md has what that cost, and why another server is no better choice.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 16_384
"""Of the request line, the headers and the trailers together; API Gateway takes 10,240."""
MAX_PIPELINED = 16
"""Requests that a client sends before it has an answer; uvicorn makes objects of all of them."""
MAX_CONNECTIONS = 800
"""In one process: below the 1,024 open files that a system allows by default."""
MAX_UNREAD_BYTES = 64_000_000
"""Of answers that their clients have not read, all together."""
SECONDS = 10.0
"""For a head to arrive, for what is left of a refused body, and for a quarter of an answer."""

_TOO_LARGE = b"HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
log = logging.getLogger("codec-server")


class Waiting:
    """The connections that wait for their client, the longest waiting first."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: dict[BoundedConnection, float] = {}
        self.closed: dict[str, int] = {}
        """How many connections were closed since the last look, by reason."""

    def add(self, connection: "BoundedConnection") -> None:
        """Its time begins now."""
        self._since.pop(connection, None)
        self._since[connection] = self._clock()

    def remove(self, connection: "BoundedConnection") -> None:
        """It no longer waits."""
        self._since.pop(connection, None)

    def make_room(self, newest: "BoundedConnection") -> None:
        """Close the one that waits longest, or the newest if all others are busy."""
        oldest = next(iter(self._since), newest)
        self.close(oldest, "too many connections")

    def bound_unread(self) -> None:
        """Close those that wait longest to be read, while they are left too much together."""
        unread = {each: each.transport.get_write_buffer_size() for each in self._since}
        left = sum(unread.values())
        for connection in [each for each, size in unread.items() if size]:
            if left > MAX_UNREAD_BYTES:
                left -= unread[connection]
                self.close(connection, "too much to read")

    def close(self, connection: "BoundedConnection", reason: str) -> None:
        """Close it at once, and count why."""
        self.remove(connection)
        self.count(reason)
        connection.transport.abort()

    def count(self, reason: str) -> None:
        """One more was closed for this reason."""
        self.closed[reason] = self.closed.get(reason, 0) + 1

    async def look(self) -> None:
        """Close those whose time is over; uvicorn calls this every other second."""
        over = self._clock() - SECONDS
        for connection, since in list(self._since.items()):
            if since > over:
                break
            if connection.is_read():
                self.add(connection)
            else:
                self.close(connection, "too slow")
        closed, self.closed = self.closed, {}
        for reason, count in closed.items():
            log.warning("closed %d connections: %s", count, reason)


class BoundedConnection(HttpToolsProtocol):
    """A connection with the module's bounds."""

    def __init__(self, waiting: Waiting, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._waiting = waiting
        self._in_message = self._is_all_head = False
        self._head = self._unread = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 — as uvicorn has it
        """Wait for its first head."""
        super().connection_made(transport)
        self.accepted(transport)

    def accepted(self, transport: Any) -> None:  # noqa: ANN401 — as uvicorn has it
        """Make room for it, and wait for its client."""
        self.transport = transport
        self.connections.add(self)
        if len(self.connections) > MAX_CONNECTIONS:
            self._waiting.make_room(self)
        if not transport.is_closing():
            self._waiting.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what it waits for."""
        self.forget()
        super().connection_lost(exc)

    def forget(self) -> None:
        """It is gone, perhaps before its TLS handshake was complete."""
        self._waiting.remove(self)
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Count what is neither body nor answered: the parser keeps heads and trailers."""
        self._is_all_head = self._in_message
        super().data_received(data)
        if self._is_all_head and self._in_message:
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_message, self._is_all_head, self._head = True, False, 0
        if not self._is_at_work():
            self._waiting.add(self)

    def on_headers_complete(self) -> None:
        """A head is complete: the request is the app's, which has bounds of its own."""
        self._is_all_head = False
        self._head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if self._head > MAX_HEAD_BYTES:
            raise HttpParserError
        if len(self.pipeline) >= MAX_PIPELINED:
            self._waiting.close(self, "too many requests at once")
            raise HttpParserError
        if not self.flow.write_paused:
            self._waiting.remove(self)
        super().on_headers_complete()
        self.headers = []  # of trailers, which are no headers of the request

    def on_body(self, body: bytes) -> None:
        """It is the app's to bound."""
        self._is_all_head = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Another head may begin."""
        self._in_message = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The client has the answer to read, and may send another request."""
        super().on_response_complete()
        if not self._is_at_work():
            self._wait_for_reader()

    def pause_writing(self) -> None:
        """The client has much to read before it gets more."""
        super().pause_writing()
        self._wait_for_reader()
        self._waiting.bound_unread()

    def resume_writing(self) -> None:
        """It has read that."""
        super().resume_writing()
        if self._is_at_work():
            self._waiting.remove(self)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large a head."""
        if self.transport.is_closing():
            return
        if self._head > MAX_HEAD_BYTES:
            self._waiting.count("head too large")
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _wait_for_reader(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._waiting.add(self)

    def _is_at_work(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def is_read(self) -> bool:
        """Whether the client has read a quarter of what was left for it at the last look."""
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        return 0 < self._unread <= before * 3 // 4
