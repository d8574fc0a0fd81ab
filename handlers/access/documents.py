"""Documents that decide who may call: where they are, and how one is fetched."""

import ssl
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from temporal_codec.arn import region_of
from temporal_codec.errors import CodecError
from temporal_codec.https import USER_AGENT, ExchangeError, Peer, Proxy, Stage

DEADLINE_SECONDS = 1.5
MAX_BYTES = 150_000
"""Of a document that is fetched over https."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Fetch = Callable[[], bytes]
ProxyOf = Callable[[str], Proxy | None]


class FetchError(CodecError):
    """The document cannot be fetched; the message says why."""

    def __init__(
        self, reason: str, status: int | None = None, cooldown: float | None = None
    ) -> None:
        """Take the reason, the status of an answer other than 200, and how soon to try again."""
        super().__init__(reason)
        self.status = status
        self.cooldown = 1.0 if status == 429 else cooldown


def no_proxy(_host: str) -> None:
    """Every host is reached without a proxy."""


class HttpsHost:
    """A host that is asked for documents over https, or over http on this machine."""

    def __init__(self, url: str, proxy_of: ProxyOf = no_proxy) -> None:
        """Take an address, whose path does not matter; raises ValueError if it is not https."""
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme == "https"
        if not host or not (tls or (parts.scheme == "http" and host in _LOOPBACK)):
            raise ValueError("an https address is needed")
        self._name = parts.netloc
        self._address = host, parts.port or (443 if tls else 80)
        self._proxy = proxy_of(self._name) if tls else None
        self._tls = tls

    @cached_property
    def _peer(self) -> Peer:
        # Reading the system's certificates takes a tenth of a cold start, and other threads go on.
        context = ssl.create_default_context() if self._tls else None
        return Peer(*self._address, context, self._proxy)

    def get(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        seconds: float = DEADLINE_SECONDS,
    ) -> bytes:
        """The document at this path and query, within these seconds; raises FetchError.

        The caller makes sure that neither the target nor a header holds the end of a line.
        """
        request = _request(target, {"Host": self._name, **(headers or {})})
        try:
            reply = self._peer.exchange(request, seconds, MAX_BYTES)
        except ExchangeError as error:
            size = f": over {MAX_BYTES} bytes" if error.stage is Stage.SIZE else ""
            raise FetchError(f"{error}{size}") from None
        if reply.status != 200:  # a redirect too: none is followed
            raise FetchError(f"status {reply.status}", reply.status)
        if dict(reply.headers).get("content-encoding", "identity") != "identity":
            raise FetchError(
                "the response is compressed, although an uncompressed one was requested"
            )
        return reply.body


def _request(target: str, headers: Mapping[str, str]) -> bytes:
    given = {
        **headers,
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def https_document(url: str, proxy_of: ProxyOf = no_proxy) -> Fetch:
    """A function that fetches the document at a URL; raises ValueError if it is not https."""
    host, parts = HttpsHost(url, proxy_of), urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def fetch() -> bytes:
        try:
            return host.get(target)
        except FetchError as error:
            raise FetchError(f"{url}: {error}", error.status) from None

    return fetch


def open_document(uri: str, max_bytes: int, proxy_of: ProxyOf = no_proxy) -> Fetch:
    """A function that fetches a document: `file:PATH`, `ssm:NAME`, `s3:BUCKET/KEY` or https.

    It raises FetchError, which names the document.
    """
    scheme, _, name = uri.partition(":")
    if scheme not in _READERS:
        return https_document(uri, proxy_of)
    read = _READERS[scheme](name, max_bytes)

    def fetch() -> bytes:
        try:
            document = read()
        except Exception as error:  # noqa: BLE001 — whatever it is, the document is not there
            cooldown = getattr(error, "cooldown", None)
            raise FetchError(f"{uri}: {_cause(error)}", cooldown=cooldown) from None
        if len(document) > max_bytes:
            raise FetchError(f"{uri}: it has more than {max_bytes} bytes")
        return document

    return fetch


def _cause(error: Exception) -> str:
    # The code of AWS, or the system's text: neither quotes what was sent.
    return getattr(error, "code", None) or getattr(error, "strerror", None) or type(error).__name__


def _file(path: str, max_bytes: int) -> Fetch:
    def read() -> bytes:
        with Path(path).open("rb") as file:
            return file.read(max_bytes + 4).removeprefix(BOM_UTF8)

    return read


def _parameter(name: str, _max_bytes: int) -> Fetch:
    ask = _service("ssm", name)
    return lambda: str(ask("get_parameter", Name=name)["Parameter"]["Value"]).encode()


def _object(name: str, max_bytes: int) -> Fetch:
    bucket, _, key = name.partition("/")
    ask = _service("s3")

    def read() -> bytes:
        with ask("get_object", Bucket=bucket, Key=key)["Body"] as body:
            document: bytes = body.read(max_bytes + 1)
            return document

    return read


def _service(service: str, name: str = "") -> Callable[..., Any]:
    @cache
    def made() -> Any:  # noqa: ANN401 — its class is loaded for it
        from temporal_codec.aws import Service  # noqa: PLC0415 — a file needs none

        return Service(service, region=region_of(service, name) if name else None)

    return lambda operation, **arguments: made().ask(operation, **arguments)


_READERS: dict[str, Callable[[str, int], Fetch]] = {
    "file": _file,
    "ssm": _parameter,
    "s3": _object,
}
