"""What a server answered: a status, headers, a body; and how much of it may be shown."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

_GATEWAYS = ("awselb", "cloudflare", "envoy", "nginx", "openresty", "varnish")
_GATEWAY_HEADERS = ("apigw-requestid", "cf-ray", "via", "x-amz-apigw-id", "x-amz-cf-id")
_WORDS = ("detail", "message", "error")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value that a header has."""
        return [value.strip() for each, value in self.headers if each == name]

    def header(self, name: str) -> str:
        """A header's value, empty where it is not there; several are joined."""
        return ", ".join(self.all(name))

    def listed(self, name: str) -> set[str]:
        """The members of a header that is a list, in lower case."""
        return {member.strip().lower() for member in self.header(name).split(",")} - {""}

    def without(self, secrets: Iterable[str]) -> "Answer":
        """The same, should the server repeat what it must not."""
        headers, body = self.headers, self.body
        for secret in secrets:
            headers = tuple((name, value.replace(secret, "...")) for name, value in headers)
            body = body.replace(secret.encode(), b"...")
        return Answer(self.status, headers, body)

    @property
    def words(self) -> str:
        """What the server says about a refusal, for people; it is not to be trusted."""
        members = self._members()
        said = [each for each in map(members.get, _WORDS) if isinstance(each, str)]
        text = said[0] if said else self.body[:200].decode(errors="replace").strip()
        return f'It says "{text}".' if text and not text.startswith(("<", "{", "[")) else ""

    @property
    def is_gateways(self) -> bool:
        """Whether it comes from what stands in front of the server, by its looks."""
        marked = self.header("server").lower().startswith(_GATEWAYS) or any(
            map(self.all, _GATEWAY_HEADERS)
        )
        page = self.body.lstrip()[:1] == b"<"
        return self.status >= 400 and marked and (page or self._members().keys() == {"message"})

    def _members(self) -> dict[str, object]:
        try:
            document = json.loads(self.body[:10_000])
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}
