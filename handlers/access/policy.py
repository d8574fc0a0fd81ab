"""Who may do what: a document of grants, default deny (rules P1 to P3).

    {"grants": [{"identities": ["*@example.com"], "namespaces": ["orders-*.a1b2c"],
                 "operations": ["decode"]}]}

`*` stands for any characters of one name, and never for an `@`.
E-mail addresses are compared in lower case, `sub:` identities exactly.

    python -m handlers.policy check FILE --identity WHO --namespace NAME --operation WHAT

tells whether a document allows something, and by which grant, before it is deployed.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from handlers.access.token import Identity
from temporal_codec.cached import Cached, Life, Unavailable
from temporal_codec.clock import Clock, system_clock
from temporal_codec.strict_json import NotStrict, read_object

MAX_BYTES = 65_536
OPERATIONS = ("decode", "encode", "download")
READS = frozenset({"decode", "download"})
WRITES = READS | {"encode"}
# A change is in force within 60 s; without the source the last good document serves an hour.
LIFE = Life(fresh=50, last_good=3600, cooldown=30)
_SUBJECT = "sub:"


class PolicyError(Exception):
    """The document is no policy; the message says where and what."""


class PolicyUnavailable(Exception):
    """No policy can be had now, so nobody can be let in."""


class Denied(Exception):
    """Nothing grants this."""


class Authorizer(Protocol):
    """Decides whether an identity may do something to a namespace's payloads."""

    def allow(self, identity: Identity, namespace: str, operation: str) -> str:
        """The rule that allows it, for the record; raises Denied or PolicyUnavailable."""

    def warm(self) -> None:
        """Fetch what every decision needs; a failure is told when it matters."""

    @property
    def is_stale(self) -> bool:
        """Whether what it decides by outlived its fresh time."""


class _Grant(msgspec.Struct, forbid_unknown_fields=True):
    identities: list[str]
    namespaces: list[str]
    operations: list[str]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    grants: list[_Grant]


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant, ready to be compared."""

    subjects: frozenset[str]
    emails: tuple[re.Pattern[str], ...]
    namespaces: tuple[re.Pattern[str], ...]
    operations: frozenset[str]

    def covers(self, identity: Identity, namespace: str, operation: str) -> bool:
        """Whether it allows this."""
        return (
            operation in self.operations
            and any(each.fullmatch(namespace) for each in self.namespaces)
            and (identity.subject in self.subjects or self._names(identity.email))
        )

    def _names(self, email: str | None) -> bool:
        return email is not None and any(each.fullmatch(email) for each in self.emails)


def parse(document: bytes) -> tuple[Grant, ...]:
    """The grants of a policy document; raises PolicyError."""
    if len(document) > MAX_BYTES:
        raise PolicyError(f"a policy has at most {MAX_BYTES} bytes")
    try:
        read_object(document)  # msgspec would take a member twice
        grants = msgspec.json.decode(document, type=_Document).grants
    except (NotStrict, msgspec.MsgspecError) as error:
        raise PolicyError(str(error)) from None
    return tuple(_grant(f"grants[{index}]", each) for index, each in enumerate(grants))


def _grant(place: str, grant: _Grant) -> Grant:
    emails = [each for each in grant.identities if not each.startswith(_SUBJECT)]
    for each in emails:
        if each.count("@") != 1 or not each.isascii() or re.search(r"\s", each):
            raise PolicyError(f"{place}: an identity is an e-mail pattern with one @, or sub:…")
    unknown = set(grant.operations) - set(OPERATIONS)
    if unknown or not grant.operations:
        raise PolicyError(f"{place}: operations are out of {', '.join(OPERATIONS)}")
    empty = {"", _SUBJECT} & {*grant.identities, *grant.namespaces}
    if empty or not grant.identities or not grant.namespaces:
        raise PolicyError(f"{place}: identities and namespaces must not be empty")
    return Grant(
        frozenset(i.removeprefix(_SUBJECT) for i in grant.identities if i.startswith(_SUBJECT)),
        tuple(_pattern(each.lower()) for each in emails),
        tuple(_pattern(each) for each in grant.namespaces),
        frozenset(grant.operations),
    )


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^@]*".join(map(re.escape, text.split("*"))))


def decide(grants: tuple[Grant, ...], identity: Identity, namespace: str, operation: str) -> str:
    """The grant that allows it; raises Denied."""
    for index, grant in enumerate(grants):
        if grant.covers(identity, namespace, operation):
            return f"grants[{index}]"
    raise Denied


class PolicyAuthorizer:
    """Decides by a document that is fetched anew as it ages."""

    def __init__(self, fetch: Callable[[], bytes], clock: Clock = system_clock) -> None:
        """Take what fetches the document."""
        self._cached = Cached(lambda: parse(fetch()), LIFE, clock)

    def allow(self, identity: Identity, namespace: str, operation: str) -> str:
        """See `Authorizer`."""
        try:
            grants = self._cached.get()
        except Unavailable as error:
            raise PolicyUnavailable(str(error.__cause__)) from None
        return decide(grants, identity, namespace, operation)

    def warm(self) -> None:
        """See `Authorizer`."""
        self._cached.warm()

    @property
    def is_stale(self) -> bool:
        """See `Authorizer`."""
        return self._cached.is_stale


def main(arguments: list[str] | None = None) -> int:
    """Check a document from the command line; 0 where it allows, 1 where not, 2 where broken."""
    import argparse  # noqa: PLC0415 — a cold start has no command line

    parser = argparse.ArgumentParser(prog="python -m handlers.policy")
    check = parser.add_subparsers(required=True).add_parser("check")
    check.add_argument("file", type=Path)
    check.add_argument("--identity", required=True, help="an e-mail address, or sub:…")
    check.add_argument("--namespace", required=True)
    check.add_argument("--operation", required=True, choices=OPERATIONS)
    asked = parser.parse_args(arguments)
    subject = asked.identity.removeprefix(_SUBJECT)
    email = None if asked.identity.startswith(_SUBJECT) else asked.identity.lower()
    identity = Identity(subject if email is None else "", email, "", "", "", ())
    try:
        rule = decide(parse(asked.file.read_bytes()), identity, asked.namespace, asked.operation)
    except (PolicyError, OSError) as error:
        print(f"{asked.file}: {error}", file=sys.stderr)  # noqa: T201 — a command
        return 2
    except Denied:
        print("denied: no grant covers it")  # noqa: T201
        return 1
    print(f"allowed by {rule}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
