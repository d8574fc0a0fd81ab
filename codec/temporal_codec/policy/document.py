"""The document of a policy: who may do what, default deny (rules P1 and P2).

    {"groups": {"on-call": ["ana@example.com", "sub:auth0|123"]},
     "grants": [{"identities": ["*@example.com", "group:readers", "members:on-call"],
                 "namespaces": ["orders-*.a1b2c"], "operations": ["decode"],
                 "issuers": ["cloud"], "claims": {"org_id": ["org_1", "org_2"]},
                 "reason": "required"}]}

E-mail addresses are compared in lower case, everything else exactly.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from temporal_codec.errors import PolicyError
from temporal_codec.operations import OPERATIONS
from temporal_codec.policy.grants import DOMAIN, EMAIL, GROUP, SUBJECT, Grant, Policy
from temporal_codec.policy.patterns import Pattern, concern, email_pattern
from temporal_codec.strict_json import NotStrict, read_document
from temporal_codec.text import shown

MAX_BYTES = 4_000_000
_MEMBERS = "members:"


class GrantDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A grant as it is written."""

    identities: list[str]
    """E-mail patterns, `sub:SUBJECT`, `group:NAME` of the token, or `members:NAME` of `groups`."""
    namespaces: list[str]
    """Names or patterns of namespaces."""
    operations: list[str]
    """Out of decode, encode and download."""
    issuers: list[str] = []
    """Names or addresses of the issuers whose tokens it is for; the default is the first one."""
    claims: dict[str, str | list[str]] = {}
    """Claims that the token must have, each with one of these values."""
    reason: Literal["optional", "required"] = "optional"
    """Whether the request must say what it is for, in the header `X-Codec-Reason`."""


class PolicyDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A policy as it is written."""

    grants: list[GrantDocument]
    """What is allowed; everything else is denied."""
    groups: dict[str, list[str]] = {}
    """Identities under a name, for use in grants as `members:NAME`."""


def parse(document: bytes) -> Policy:
    """The policy; raises PolicyError, which says where the document is wrong."""
    if len(document) > MAX_BYTES:
        raise PolicyError(f"it has more than {MAX_BYTES} bytes")
    try:
        read = read_document(document, PolicyDocument)
    except NotStrict as error:
        raise PolicyError(str(error)) from None
    warnings: list[str] = []
    members = {
        name: _keys(f"groups.{shown(name)}", each, warnings, {})
        for name, each in read.groups.items()
    }
    grants = tuple(
        _grant(f"grants[{number}]", grant, members, warnings)
        for number, grant in enumerate(read.grants)
    )
    return Policy(grants, tuple(warnings))


_Keys = tuple[tuple[str, Pattern | None], ...]


def _grant(
    place: str, grant: GrantDocument, members: dict[str, _Keys], warnings: list[str]
) -> Grant:
    if not grant.operations or not set(grant.operations) <= OPERATIONS.keys():
        raise PolicyError(f"{place}.operations: each must be one of {', '.join(OPERATIONS)}")
    if not grant.namespaces or "" in grant.namespaces:
        raise PolicyError(f"{place}.namespaces: they must not be empty")
    if "" in grant.issuers or "" in grant.claims or not all(map(_is_filled, grant.claims.values())):
        raise PolicyError(f"{place}: issuers and claims must not be empty")
    try:
        namespaces = tuple(map(Pattern, grant.namespaces))
    except PolicyError as error:
        raise PolicyError(f"{place}.namespaces: {error}") from None
    return Grant(
        keys=_keys(f"{place}.identities", grant.identities, warnings, members),
        namespaces=namespaces,
        operations=frozenset(grant.operations),
        issuers=frozenset(grant.issuers),
        claims={
            name: frozenset([value] if isinstance(value, str) else value)
            for name, value in grant.claims.items()
        },
        needs_purpose=grant.reason == "required",
    )


def _is_filled(values: str | list[str]) -> bool:
    return bool(values) and (isinstance(values, str) or "" not in values)


def _keys(
    place: str, identities: list[str], warnings: list[str], members: dict[str, _Keys]
) -> _Keys:
    if not identities:
        raise PolicyError(f"{place}: there must be at least one")
    try:
        return tuple(key for each in identities for key in _identity(each, members))
    except PolicyError as error:
        raise PolicyError(f"{place}: {error}") from None
    finally:
        found = dict.fromkeys(filter(None, map(concern, identities)))
        warnings += [f"{place}: {each}" for each in found]


def _identity(text: str, members: dict[str, _Keys]) -> Iterator[tuple[str, Pattern | None]]:
    scheme, colon, name = text.partition(":")
    if scheme + colon == _MEMBERS:
        if name not in members:
            raise PolicyError("members:… must name one of the document's groups")
        yield from members[name]
    elif scheme + colon in {SUBJECT, GROUP}:
        if not name:
            raise PolicyError(f"{scheme}: must name somebody")
        yield text, None
    else:
        local, domain = email_pattern(text)
        exact = local.is_exact and "*" not in domain
        fits = None if local.is_any else local
        yield (EMAIL + text.lower(), None) if exact else (DOMAIN + domain, fits)
