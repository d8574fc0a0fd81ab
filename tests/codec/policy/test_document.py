"""Policies: default deny, patterns that never cross an @, a document with one reading (rule P1)."""

import json
from typing import Any

import pytest

from temporal_codec.policy import MAX_BYTES, Identity, PolicyError, parse

ANA = "ana@example.com"


def who(email: str | None = ANA, subject: str = "auth0|123", **more: Any) -> Identity:
    return Identity(subject, email, "issuer", "kid", "token", **more)


def policy(*grants: dict[str, Any]) -> bytes:
    return json.dumps({"grants": grants}).encode()


def grant(**changes: Any) -> dict[str, Any]:
    return {"identities": [ANA], "namespaces": ["orders"], "operations": ["decode"], **changes}


def allows(document: bytes, identity: Identity, namespace: str, operation: str) -> bool:
    return parse(document).decide(identity, namespace, operation) is not None


DOCUMENT = policy(
    grant(identities=["*@example.com"], namespaces=["orders-*.a1b2c"]),
    grant(
        identities=["boss@example.com", "sub:auth0|123"],
        namespaces=["*"],
        operations=["decode", "encode", "download"],
    ),
    grant(identities=["a*n@x-y.org"], namespaces=["b.*"]),
)
TABLE: list[tuple[Identity, str, str, bool]] = [
    (who(subject="s"), "orders-eu.a1b2c", "decode", True),
    (who(subject="s"), "orders-.a1b2c", "decode", True),
    (who(subject="s"), "orders-eu.a1b2c", "encode", False),
    (who(subject="s"), "orders-eu.a1b2cx", "decode", False),
    (who(subject="s"), "xorders-eu.a1b2c", "decode", False),
    (who(subject="s"), "orders-euxa1b2c", "decode", False),
    (who(subject="s"), "Orders-eu.a1b2c", "decode", False),
    (who(subject="s"), "other", "decode", False),
    (who("ana+x@example.com", "s"), "other", "decode", False),
    (who("ana@example.com.evil.io", "s"), "orders-eu.a1b2c", "decode", False),
    (who("ana@sub.example.com", "s"), "orders-eu.a1b2c", "decode", False),
    (who("ana@evil.io@example.com", "s"), "orders-eu.a1b2c", "decode", False),
    (who("@example.com", "s"), "orders-eu.a1b2c", "decode", True),
    (who("boss@example.com", "s"), "anything", "download", True),
    (who("boss+x@example.com", "s"), "anything", "decode", False),
    (who("bossy@example.com", "s"), "anything", "decode", False),
    (who(None, "auth0|123"), "anything", "encode", True),
    (who(None, "auth0|1234"), "anything", "encode", False),
    (who(None, "AUTH0|123"), "anything", "encode", False),
    (who("auth0|123", "s"), "anything", "encode", False),
    (who("sub:auth0|123", "s"), "anything", "encode", False),
    (who(None, "boss@example.com"), "anything", "encode", False),
    (who(None, "s"), "orders-eu.a1b2c", "decode", False),
    (who("alan@x-y.org", "s"), "b.c", "decode", True),
    (who("alan@x-y.organic", "s"), "b.c", "decode", False),
    (who("alan@x-@y.org", "s"), "b.c", "decode", False),
    (who("alan@x-y.org", "s"), "b.c@d", "decode", True),
]


@pytest.mark.parametrize(("identity", "namespace", "operation", "allowed"), TABLE, ids=str)
def test_identity_namespace_operation(
    identity: Identity, namespace: str, operation: str, allowed: bool
) -> None:
    assert allows(DOCUMENT, identity, namespace, operation) is allowed


def test_the_deciding_grant_is_named() -> None:
    assert parse(DOCUMENT).decide(who("boss@example.com"), "x", "encode") == "grants[1]"


def test_patterns_are_compared_in_lower_case() -> None:
    assert allows(policy(grant(identities=["Ana@Example.COM"])), who(), "orders", "decode")


def test_no_grants_allow_nothing() -> None:
    """P1."""
    assert not allows(policy(), who(), "orders", "decode")


WRONG: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"grants",
    "an array": b"[]",
    "no grants": b"{}",
    "grants an object": b'{"grants":{}}',
    "an unknown member": b'{"grants":[],"x":1}',
    "grants twice": b'{"grants":[],"grants":[]}',
    "UTF-16": policy().decode().encode("utf-16"),
    "a misspelled member": policy({**grant(), "identites": []}),
    "a missing member": policy({"identities": [ANA], "namespaces": ["*"]}),
    "a string for a list": policy(grant(identities=ANA)),
    "a number in a list": policy(grant(namespaces=[1])),
    "an unknown operation": policy(grant(operations=["decode", "delete"])),
    "an operation in upper case": policy(grant(operations=["Decode"])),
    "no operation": policy(grant(operations=[])),
    "no identity": policy(grant(identities=[])),
    "an issuer without a name": policy(grant(issuers=["one", ""])),
    "a reason of another kind": policy(grant(reason="always")),
    "no namespace": policy(grant(namespaces=[])),
    "an empty namespace": policy(grant(namespaces=[""])),
    "a subject that is empty": policy(grant(identities=["sub:"])),
    "an identity without @": policy(grant(identities=["*"])),
    "an identity with two": policy(grant(identities=["a@b@c"])),
    "an identity with a blank": policy(grant(identities=["a @example.com"])),
    "an identity that is not ASCII": policy(grant(identities=["\u0430@example.com"])),
    "too large": policy().ljust(4_000_001),
    "too deep": b'{"grants":' + b"[" * 100 + b"]" * 100 + b"}",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_document_is_refused(name: str) -> None:
    with pytest.raises(PolicyError):
        parse(WRONG[name])


def test_a_document_may_be_as_large_as_it_says() -> None:
    assert MAX_BYTES == 4_000_000
    assert parse(policy(grant()).ljust(MAX_BYTES)).grants


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"operations": ["read"]}, "grants[1].operations: each must be one of"),
        ({"namespaces": [""]}, "grants[1].namespaces: they must not be empty"),
        ({"namespaces": ["*" + "a*" * 8]}, "grants[1].namespaces: a pattern has at most 1000"),
        ({"claims": {"scope": [""]}}, "grants[1]: issuers and claims must not be empty"),
        ({"issuers": [""]}, "grants[1]: issuers and claims must not be empty"),
        ({"identities": []}, "grants[1].identities: there must be at least one"),
        ({"identities": ["a@b@c.de"]}, "grants[1].identities: an identity is an e-mail pattern"),
        ({"identities": ["a b@c.de"]}, "grants[1].identities: an identity is an e-mail pattern"),
        ({"identities": ["a@c.de\n"]}, "grants[1].identities: an identity is an e-mail pattern"),
        ({"identities": ["a@c"]}, "grants[1].identities: an identity needs a literal domain"),
        ({"identities": ["sub:"]}, "grants[1].identities: sub: must name somebody"),
        ({"identities": ["members:x"]}, "grants[1].identities: members:… must name one of"),
    ],
    ids=str,
)
def test_a_fault_says_where_it_is_and_what_to_do(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(policy(grant(), grant(**changes)))
    assert str(caught.value).startswith(sentence)


def test_a_person_at_any_of_the_sub_domains() -> None:
    """The part before the @ is one name, and the domain a pattern."""
    document = policy(grant(identities=["Ana@*.Example.com"]))
    assert allows(document, who("ana@eu.example.com"), "orders", "decode")
    assert not allows(document, who("anna@eu.example.com"), "orders", "decode")
    assert parse(document).warnings == (
        "grants[0].identities: a * in a domain lets all of its sub-domains in",
    )
    assert parse(policy(grant(identities=["*@example.com"]))).warnings == ()


@pytest.mark.parametrize(
    ("identity", "warns"),
    [("*@Gmail.com", True), ("ana*@qq.com", True), ("ana@gmail.com", False), ("*@gmail.co", False)],
)
def test_a_pattern_of_a_mail_provider_is_warned_about(identity: str, warns: bool) -> None:
    """Anybody can have such an address, and an issuer that many customers share confirms it."""
    found = parse(policy(grant(identities=[identity]))).warnings
    assert (
        found
        == ("grants[0].identities: anybody can have an address of this mail provider",)[
            : int(warns)
        ]
    )
