"""Patterns of names: `*` stands for any characters, and matching takes linear time."""

import re

from temporal_codec.errors import PolicyError

MAX_PATTERN_BYTES = 1000
MAX_STARS = 8
MAX_DOMAIN = 255
_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
# Below these, countries register a domain for everybody.
_REGISTRY = re.compile(r"\*\.(ac|co|com|edu|gob|gouv|gov|gv|ltd|ne|net|nom|or|org|plc)\.[a-z]{2}")
_MAIL_PROVIDERS = frozenset(
    {"gmail.com", "googlemail.com", "hotmail.com", "icloud.com", "outlook.com"}
    | {"proton.me", "protonmail.com", "qq.com", "yahoo.com", "yandex.ru"}
)
_DOMAIN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*\.[a-z0-9-]*[a-z][a-z0-9-]*")


class Pattern:
    """A name, or a pattern of names; neighboring stars count as one."""

    __slots__ = ("_last", "_middle", "prefix")

    def __init__(self, text: str) -> None:
        """Take its text; raises PolicyError if it is too long or has too many stars."""
        first, *others = re.sub(r"\*+", "*", text).split("*")
        if len(text.encode()) > MAX_PATTERN_BYTES or len(others) > MAX_STARS:
            raise PolicyError(
                f"a pattern has at most {MAX_PATTERN_BYTES} bytes and {MAX_STARS} stars"
            )
        self.prefix = first
        """The start of every name that matches."""
        self._middle = others[:-1]
        self._last = others[-1] if others else None

    @property
    def is_exact(self) -> bool:
        """Whether it is one name."""
        return self._last is None

    @property
    def is_any(self) -> bool:
        """Whether it stands for every name."""
        return not (self.prefix or self._middle or self._last is None or self._last)

    def matches(self, name: str) -> bool:
        """Whether it is this name, or stands for it."""
        if self._last is None:
            return name == self.prefix
        at, end = len(self.prefix), len(name) - len(self._last)
        if at > end or not (name.startswith(self.prefix) and name.endswith(self._last)):
            return False
        for part in self._middle:  # the first place that fits leaves most room for the rest
            at = name.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True


def email_pattern(text: str) -> tuple[Pattern, str]:
    """The pattern of the part before the `@`, and the domain; raises PolicyError.

    The domain is literal, or `*.` and a literal domain. All customers of Temporal Cloud share one
    issuer, so that a domain that is a pattern would let strangers in.
    """
    local, _, domain = text.lower().partition("@")
    if not local or "@" in domain or not text.isascii() or re.search(r"\s", text):
        raise PolicyError(
            "an identity is an e-mail pattern with one @, sub:…, group:… or members:…"
        )
    is_literal = len(domain) <= MAX_DOMAIN and _DOMAIN.fullmatch(domain)
    if not is_literal or _REGISTRY.fullmatch(domain):
        raise PolicyError(
            "an identity needs a literal domain with a dot, such as *@example.com; a * may stand "
            "only for its whole first label, as in *@*.example.com"
        )
    return Pattern(local), domain


def concern(identity: str) -> str | None:
    """Whom an e-mail pattern lets in beside those that it seems to name."""
    local, _, domain = identity.lower().rpartition("@")
    if domain.startswith("*."):
        return "a * in a domain lets all of its sub-domains in"
    if "*" in local and domain in _MAIL_PROVIDERS:
        return "anybody can have an address of this mail provider"
    return None
