"""The requests that the doctor makes: those of the Web UI, or of the CLI where there is no page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from temporal_codec import wire
from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.endpoint import Endpoint, is_loopback
from temporal_codec.cli.doctor.line import Line
from temporal_codec.payload import Received

PLAIN = [
    Received({"encoding": b"json/plain"}, b'"temporal-codec doctor, first"'),
    Received({"encoding": b"json/plain"}, b'"temporal-codec doctor, second"'),
]
"""What is sent; two, so that their order can be seen."""
_TOKEN_HEADERS = ("authorization", "authorization-extras")


def body_of(*payloads: Received) -> bytes:
    """Payloads as a request's body."""
    return wire.write(map(wire.render_received, payloads))


@dataclass(frozen=True)
class Visit:
    """What somebody wants to know: whether this endpoint works for this page, with this token."""

    endpoint: Endpoint
    namespace: str
    origin: str | None
    """Of the page; None asks as the CLI does."""
    token: str | None = None
    credentials: bool = False
    """Whether the Web UI includes cookies."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Visit({self.endpoint.url})"


class Probe:
    """Asks a server; answers that several checks look at are asked for once."""

    def __init__(self, visit: Visit, line: Line, clock: Callable[[], float] = time.time) -> None:
        """Take what to find out, the way to the server, and what tells the seconds since 1970."""
        self.visit = visit
        self.line = line
        self.clock = clock
        token = visit.token or ""
        # Longest first: the whole before its parts.
        parts = [part for part in token.split(".") if len(part) >= 16]
        self._secrets = [each for each in (token, *parts) if each]

    @property
    def token(self) -> str | None:
        """The token, where it may be sent: not in the clear, except within this machine."""
        endpoint = self.visit.endpoint
        return self.visit.token if endpoint.https or is_loopback(endpoint.host) else None

    @cached_property
    def bare(self) -> Answer:
        """The answer to plain payloads, sent without a token."""
        return self.post("decode", token=False)

    @cached_property
    def main(self) -> Answer:
        """The answer to plain payloads, as the Web UI or the CLI would send them."""
        return self.bare if self.token is None else self.post("decode")

    @cached_property
    def allowed(self) -> Answer:
        """The answer to the preflight of /decode."""
        return self.preflight("decode", self.visit.origin or "")

    @property
    def passes_token(self) -> bool:
        """Whether the page would have to pass a token, as far as can be seen."""
        return self.visit.token is not None or self.bare.status == 401

    @property
    def needed_headers(self) -> tuple[str, ...]:
        """What a preflight must allow, in the order in which browsers ask for it."""
        return (*(_TOKEN_HEADERS if self.passes_token else ()), "content-type", "x-namespace")

    def preflight(self, operation: str, origin: str) -> Answer:
        """Ask what a browser asks before it sends a page's request."""
        headers = {
            "Access-Control-Request-Headers": ",".join(self.needed_headers),
            "Access-Control-Request-Method": "POST",
            "Origin": origin,
        }
        return self._ask("OPTIONS", operation, headers, b"")

    def post(
        self,
        operation: str,
        body: bytes | None = None,
        *,
        token: bool = True,
        origin: bool = True,
        patience: int = 1,
    ) -> Answer:
        """Send payloads, by default the plain ones, with the token and the origin, if any."""
        headers = {"Content-Type": "application/json", "X-Namespace": self.visit.namespace}
        if origin and self.visit.origin:
            headers["Origin"] = self.visit.origin
        if token and self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        sent = body_of(*PLAIN) if body is None else body
        return self._ask("POST", operation, headers, sent, patience)

    def _ask(
        self,
        method: str,
        operation: str,
        headers: dict[str, str],
        body: bytes,
        patience: int = 1,
    ) -> Answer:
        endpoint = self.visit.endpoint
        query = "?preserveStorageRefs=true" if self.visit.origin else ""
        lines = [
            f"{method} {endpoint.path}/{operation}{query} HTTP/1.1",
            f"Host: {endpoint.authority}",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
            "Accept: */*",
            "Accept-Encoding: identity",
            "User-Agent: temporal-codec-doctor",
            "Connection: close",
        ]
        request = "\r\n".join((*lines, "", "")).encode("ascii") + body
        return self.line.exchange(request, f"{method} /{operation}", patience).without(
            self._secrets
        )
