"""Load over kept connections: each sends its next request when it has the whole answer."""

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

_END = b"\r\n\r\n"


class Connection:
    """One kept connection to a server on loopback."""

    def __init__(
        self, port: int, path: str, body: bytes, headers: Iterable[str] = (), status: int = 200
    ) -> None:
        """Connect; each answer must have this status."""
        self._status = b"HTTP/1.1 %d " % status
        head = [
            f"POST /{path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Content-Type: application/json",
            "X-Namespace: default",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        self._request = "\r\n".join(head).encode() + _END + body
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> bytes:
        """The answer, head and all; raises RuntimeError if it is cut or its status is another.

        If the server closes before it answers, this is a ConnectionError.
        """
        self._socket.sendall(self._request)
        answer = self._socket.recv(1 << 20)
        if not answer:
            raise ConnectionResetError
        while _END not in answer:
            answer += self._more()
        head, _, body = answer.partition(_END)
        if not head.startswith(self._status):
            raise RuntimeError(f"a server answered {head.decode()}")
        _, found, length = head.lower().partition(b"content-length: ")
        parts, have = [body], len(body)
        if found:
            size = int(length.partition(b"\r\n")[0])
            while have < size:
                parts.append(self._more())
                have += len(parts[-1])
        else:  # in chunks, of which the last is empty
            while not b"".join(parts[-2:]).endswith(b"0\r\n\r\n"):
                parts.append(self._more())
        return head + _END + b"".join(parts)

    def _more(self) -> bytes:
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise RuntimeError("a server closed its connection")
        return piece

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def load(connections: list[Connection], requests: int) -> None:
    """So many requests in all, all connections at once."""
    each = requests // len(connections)

    def work(connection: Connection) -> None:
        for _ in range(each):
            connection.ask()

    with ThreadPoolExecutor(len(connections)) as pool:
        list(pool.map(work, connections))
