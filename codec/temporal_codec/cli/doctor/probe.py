"""The requests that the doctor sends: those of the Web UI, or those of the CLI."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from temporal_codec import wire
from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import Endpoint, is_loopback
from temporal_codec.payload import Received

PLAIN = [
    Received({"encoding": b"json/plain"}, b'"temporal-codec doctor, first"'),
    Received({"encoding": b"json/plain"}, b'"temporal-codec doctor, second"'),
]
"""The test payloads; two, so that a change of order shows."""
_TOKEN_HEADERS = ("authorization", "authorization-extras")


def body_of(*payloads: Received) -> bytes:
    """The body of a request with these payloads."""
    return wire.write(map(wire.render_received, payloads))


@dataclass(frozen=True)
class Target:
    """What to examine: an endpoint, for a page, with a token."""

    endpoint: Endpoint
    namespace: str
    origin: str | None
    """Of the page; None examines what the CLI does."""
    token: str | None = None
    credentials: bool = False
    """Whether the Web UI includes cookies."""
    without_scheme: bool = False
    """Whether the CLI would send the token without `Bearer `."""
    own: Sequence[Received] | None = None
    """The user's own payloads, to try; None if they gave none."""
    other: str | None = None
    """Another namespace, to compare its keys with."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Target({self.endpoint.url})"


class Probe:
    """Sends requests to a server; a response that several checks need is fetched once."""

    def __init__(
        self, target: Target, connection: Connection, clock: Callable[[], float] = time.time
    ) -> None:
        """Take what to examine, the connection, and a clock in seconds since 1970."""
        self.target = target
        self.connection = connection
        self.clock = clock
        token = target.token or ""
        # Longest first: the whole before its parts.
        parts = [part for part in token.split(".") if len(part) >= 16]
        self._secrets = [each for each in (token, *parts) if each]

    @property
    def token(self) -> str | None:
        """The token, if it may be sent: never unencrypted, except within this machine."""
        endpoint = self.target.endpoint
        return self.target.token if endpoint.https or is_loopback(endpoint.host) else None

    @cached_property
    def bare(self) -> Answer:
        """The response to plain payloads without a token."""
        return self.post("decode", token=False)

    @cached_property
    def main(self) -> Answer:
        """The response to plain payloads, sent as the Web UI or the CLI sends them."""
        return self.bare if self.token is None else self.post("decode")

    @cached_property
    def allowed(self) -> Answer:
        """The response to the preflight of /decode."""
        return self.preflight("decode", self.target.origin or "")

    @property
    def passes_token(self) -> bool:
        """Whether the page has to pass a token, as far as the doctor can see."""
        return self.target.token is not None or self.bare.status == 401

    @property
    def needed_headers(self) -> tuple[str, ...]:
        """The headers that a preflight must allow, in the order in which browsers list them."""
        return (*(_TOKEN_HEADERS if self.passes_token else ()), "content-type", "x-namespace")

    def preflight(self, operation: str, origin: str) -> Answer:
        """Send the preflight that a browser sends before the request of a page."""
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
        headers = {"Content-Type": "application/json", "X-Namespace": self.target.namespace}
        if origin and self.target.origin:
            headers["Origin"] = self.target.origin
        if token and self.token:
            scheme = "" if self.target.without_scheme else "Bearer "
            headers["Authorization"] = scheme + self.token
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
        endpoint = self.target.endpoint
        query = "?preserveStorageRefs=true" if self.target.origin else ""
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
        request = "\r\n".join((*lines, "", "")).encode() + body
        return self.connection.exchange(request, f"{method} /{operation}", patience).without(
            self._secrets
        )
