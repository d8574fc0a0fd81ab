"""Callers, and the grants of a policy, indexed so that many cost no more than few."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from temporal_codec.policy.patterns import Pattern

# The kinds of keys that an identity is found by: none starts as another does.
SUBJECT, GROUP, EMAIL, DOMAIN = "sub:", "group:", "email:", "@"
_SPACED = frozenset({"scope", "scp"})
"""Claims whose text is a list, separated by spaces."""


class Identity(msgspec.Struct, frozen=True):
    """The caller, from a verified token: a pair of issuer and subject, and other claims."""

    subject: str
    email: str | None
    """In lower-case ASCII; None if the token names none that may decide."""
    issuer: str
    kid: str = ""
    token: str = ""
    """The token's id, or the start of its hash if it has none."""
    permissions: tuple[tuple[str, str], ...] = ()
    """Pairs of a namespace and a role."""
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = {}
    issuer_name: str = ""
    """The issuer's name in the trust document."""
    is_default_issuer: bool = True
    """Whether grants that name no issuer count for this one."""
    token_from: str = ""
    """Which part of the request the token came from."""
    no_email: str = ""
    """Why `email` is None."""
    purpose: str = ""
    """The reason that the caller gives for the request."""

    def __repr__(self) -> str:  # the default would show what the token claims
        return f"Identity({self.subject!r}, {self.email!r}, {self.issuer!r})"


class Grant(msgspec.Struct, frozen=True):
    """One grant, ready to be compared."""

    keys: tuple[tuple[str, Pattern | None], ...]
    """The identities: keys of `_keys`, and what the part before the `@` must match."""
    namespaces: tuple[Pattern, ...]
    operations: frozenset[str]
    issuers: frozenset[str]
    """Names or addresses of issuers; without one it counts for the default issuer."""
    claims: Mapping[str, frozenset[str]]
    """The required claims of the token: one of these values for each name."""
    needs_purpose: bool
    """Whether the caller must say what the request is for."""

    def counts_for(self, identity: Identity) -> bool:
        """Whether the grant is for tokens of this issuer."""
        if self.issuers:
            return not self.issuers.isdisjoint({identity.issuer, identity.issuer_name})
        return identity.is_default_issuer

    def names(self, identity: Identity) -> bool:
        """Whether the grant is for this identity."""
        keys = set(_keys(identity))
        return any(key in keys and _local_fits(local, identity) for key, local in self.keys)

    def has_purpose(self, identity: Identity) -> bool:
        """Whether the caller gave a reason, if one is required."""
        return not self.needs_purpose or bool(identity.purpose.strip())

    def missing_claim(self, identity: Identity) -> str | None:
        """The first claim that is not as it requires."""
        return next((n for n, v in self.claims.items() if not v & _texts(identity, n)), None)


class Policy:
    """Grants by identity, and for each by the start of a namespace's name."""

    def __init__(self, grants: tuple[Grant, ...], warnings: tuple[str, ...] = ()) -> None:
        self.grants = grants
        self.warnings = warnings
        self._by_identity: dict[str, _Namespaces] = {}
        for number, grant in enumerate(grants):
            for key, local in grant.keys:
                found = self._by_identity.setdefault(key, _Namespaces())
                for pattern in grant.namespaces:
                    found.add(pattern, _Rule(number, local, grant))

    def decide(self, identity: Identity, namespace: str, operation: str) -> str | None:
        """The first grant that allows it, such as `grants[0]`; None if no grant does."""
        found = filter(None, map(self._by_identity.get, _keys(identity)))
        rules = [rule for each in found for rule in each.of(namespace)]
        numbers = [rule.number for rule in rules if rule.allows(identity, operation)]
        return f"grants[{min(numbers)}]" if numbers else None

    def explain(
        self, identity: Identity, namespace: str, operation: str
    ) -> Iterator[tuple[int, str]]:
        """For each grant how many of its conditions hold, and the first that does not."""
        for number, grant in enumerate(self.grants):
            missing = grant.missing_claim(identity)
            checks = (
                (grant.names(identity), "it is not for this identity"),
                (grant.counts_for(identity), "it does not count for this token's issuer"),
                (any(each.matches(namespace) for each in grant.namespaces), "another namespace"),
                (operation in grant.operations, "another operation"),
                (missing is None, f"the claim {missing} does not have a value that it requires"),
                (grant.has_purpose(identity), "it requires a reason (X-Codec-Reason)"),
            )
            met = next((n for n, (holds, _) in enumerate(checks) if not holds), len(checks))
            yield met, f"grants[{number}]: {checks[met][1] if met < len(checks) else 'it allows'}"


class _Rule(msgspec.Struct, frozen=True):
    number: int
    local: Pattern | None
    grant: Grant

    def allows(self, identity: Identity, operation: str) -> bool:
        grant = self.grant
        return (
            operation in grant.operations
            and _local_fits(self.local, identity)
            and grant.counts_for(identity)
            and grant.missing_claim(identity) is None
            and grant.has_purpose(identity)
        )


class _Namespaces:
    """Rules by the namespaces that they are for, or by how those start."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[_Rule]] = {}
        self._by_prefix: dict[str, list[tuple[Pattern, _Rule]]] = {}
        self._sizes: set[int] = set()

    def add(self, pattern: Pattern, rule: _Rule) -> None:
        if pattern.is_exact:
            self._by_name.setdefault(pattern.prefix, []).append(rule)
        else:
            self._by_prefix.setdefault(pattern.prefix, []).append((pattern, rule))
            self._sizes.add(len(pattern.prefix))

    def of(self, namespace: str) -> list[_Rule]:
        prefixes = {namespace[:size] for size in self._sizes}
        rules = [each for prefix in prefixes for each in self._by_prefix.get(prefix, ())]
        fitting = [rule for pattern, rule in rules if pattern.matches(namespace)]
        return [*self._by_name.get(namespace, ()), *fitting]


def _keys(identity: Identity) -> Iterator[str]:
    yield SUBJECT + identity.subject
    yield from (GROUP + each for each in identity.groups)
    if identity.email is None:
        return
    yield EMAIL + identity.email
    labels = identity.email.partition("@")[2].split(".")
    yield DOMAIN + ".".join(labels)
    yield from (f"{DOMAIN}*." + ".".join(labels[n:]) for n in range(1, len(labels)))


def _local_fits(local: Pattern | None, identity: Identity) -> bool:
    return local is None or local.matches((identity.email or "").partition("@")[0])


def _texts(identity: Identity, claim: str) -> set[str]:
    value = identity.claims.get(claim)
    if isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, str):
        return {value, *value.split(" ")} if claim in _SPACED else {value}
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
