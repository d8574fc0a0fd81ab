"""A server's response: status, headers and body, and how much of it may be shown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

_CDNS = ("akamai", "cloudflare", "cloudfront", "varnish")
_CDN_HEADERS = ("cf-ray", "x-amz-cf-id", "x-azure-ref")
_GATEWAYS = (*_CDNS, "awselb", "envoy", "nginx", "openresty")
_GATEWAY_HEADERS = (*_CDN_HEADERS, "apigw-requestid", "via", "x-amz-apigw-id")
# Envoy's own words, which are neither a page nor JSON.
_ENVOYS = (b"no healthy upstream", b"upstream ")
_WORDS = ("detail", "message", "error")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value.strip() for each, value in self.headers if each == name]

    def header(self, name: str) -> str:
        """A header's value; empty if absent, joined if there are several."""
        return ", ".join(self.all(name))

    def listed(self, name: str) -> set[str]:
        """The members of a list header, in lower case."""
        return {member.strip().lower() for member in self.header(name).split(",")} - {""}

    def without(self, secrets: Iterable[str]) -> "Answer":
        """The same response with secrets replaced, in case the server repeats them."""
        headers, body = self.headers, self.body
        for secret in secrets:
            headers = tuple((name, value.replace(secret, "...")) for name, value in headers)
            body = body.replace(secret.encode(), b"...")
        return Answer(self.status, headers, body)

    @property
    def words(self) -> str:
        """The server's own explanation of a rejection; untrusted text."""
        members = self._members()
        said = [each for each in map(members.get, _WORDS) if isinstance(each, str)]
        text = said[0] if said else self.body[:200].decode(errors="replace").strip()
        return f'It says "{text}".' if text and not text.startswith(("<", "{", "[")) else ""

    @property
    def is_gateways(self) -> bool:
        """Whether it looks like the response of a gateway or proxy in front of the server."""
        own = (
            self._is_page or self.body.startswith(_ENVOYS) or self._members().keys() == {"message"}
        )
        return self.status >= 400 and self._has_mark(_GATEWAYS, _GATEWAY_HEADERS) and own

    @property
    def is_page_of_cdn(self) -> bool:
        """Whether it looks like a web page of a CDN: an error, a challenge, a login."""
        return self._is_page and self._has_mark(_CDNS, _CDN_HEADERS)

    @property
    def _is_page(self) -> bool:
        return self.body.lstrip()[:1] == b"<"

    def _has_mark(self, servers: tuple[str, ...], headers: tuple[str, ...]) -> bool:
        return self.header("server").lower().startswith(servers) or any(map(self.all, headers))

    def _members(self) -> dict[str, object]:
        try:
            document = json.loads(self.body[:10_000])
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}
