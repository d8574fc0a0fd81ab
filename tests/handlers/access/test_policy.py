"""Policies: default deny, patterns that never cross an @, changes in force (rules P1 to P3)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.access.permissions import PermissionsClaim
from handlers.access.policy import (
    MAX_BYTES,
    Denied,
    PolicyAuthorizer,
    PolicyError,
    PolicyUnavailable,
    decide,
    main,
    parse,
)
from handlers.access.token import Identity
from tests.codec.clock import FakeClock
from tests.rigs.processes import ROOT, clean_environment

ANA = "ana@example.com"


def who(email: str | None = ANA, subject: str = "auth0|123", *permissions: str) -> Identity:
    return Identity(subject, email, "issuer", "kid", "token", permissions)


def policy(*grants: dict[str, Any]) -> bytes:
    return json.dumps({"grants": grants}).encode()


def grant(**changes: Any) -> dict[str, Any]:
    return {"identities": [ANA], "namespaces": ["orders"], "operations": ["decode"], **changes}


def allows(document: bytes, identity: Identity, namespace: str, operation: str) -> bool:
    try:
        decide(parse(document), identity, namespace, operation)
    except Denied:
        return False
    return True


DOCUMENT = policy(
    grant(identities=["*@example.com"], namespaces=["orders-*.a1b2c"]),
    grant(
        identities=["boss@example.com", "sub:auth0|123"],
        namespaces=["*"],
        operations=["decode", "encode", "download"],
    ),
    grant(identities=["a*n@x-*.org"], namespaces=["b.*"]),
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
]


@pytest.mark.parametrize(("identity", "namespace", "operation", "allowed"), TABLE, ids=str)
def test_identity_namespace_operation(
    identity: Identity, namespace: str, operation: str, allowed: bool
) -> None:
    assert allows(DOCUMENT, identity, namespace, operation) is allowed


def test_the_deciding_grant_is_named() -> None:
    assert decide(parse(DOCUMENT), who("boss@example.com"), "x", "encode") == "grants[1]"


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
    "a BOM": b"\xef\xbb\xbf" + policy(),
    "a misspelt member": policy({**grant(), "identites": []}),
    "a missing member": policy({"identities": [ANA], "namespaces": ["*"]}),
    "a string for a list": policy(grant(identities=ANA)),
    "a number in a list": policy(grant(namespaces=[1])),
    "an unknown operation": policy(grant(operations=["decode", "delete"])),
    "an operation in upper case": policy(grant(operations=["Decode"])),
    "no operation": policy(grant(operations=[])),
    "no identity": policy(grant(identities=[])),
    "no namespace": policy(grant(namespaces=[])),
    "an empty namespace": policy(grant(namespaces=[""])),
    "a subject that is empty": policy(grant(identities=["sub:"])),
    "an identity without @": policy(grant(identities=["*"])),
    "an identity with two": policy(grant(identities=["a@b@c"])),
    "an identity with a blank": policy(grant(identities=["a @example.com"])),
    "an identity that is not ASCII": policy(grant(identities=["\u0430@example.com"])),
    "too large": policy().ljust(65_537),
    "too deep": b'{"grants":' + b"[" * 100 + b"]" * 100 + b"}",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_document_is_refused(name: str) -> None:
    with pytest.raises(PolicyError):
        parse(WRONG[name])


def test_a_document_may_be_as_large_as_it_says() -> None:
    assert parse(policy(grant()).ljust(MAX_BYTES))


def test_a_wrong_document_closes_at_start_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    """P1."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(b"wrong")
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    with pytest.raises(PolicyUnavailable):
        authorizer.allow(who(), "orders", "decode")
    file.write_bytes(policy(grant()))
    clock.advance(30)
    assert authorizer.allow(who(), "orders", "decode") == "grants[0]"
    file.write_bytes(b"wrong")
    clock.advance(3000)
    assert authorizer.allow(who(), "orders", "decode") == "grants[0]"


def test_a_change_is_in_force_within_a_minute(tmp_path: Path) -> None:
    """P3."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(policy(grant()))
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    authorizer.allow(who(), "orders", "decode")
    file.write_bytes(policy())
    clock.advance(60)
    with pytest.raises(Denied):
        authorizer.allow(who(), "orders", "decode")


def test_the_last_good_document_serves_an_hour(tmp_path: Path) -> None:
    """P1; who decides by it meanwhile is told so."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(policy(grant()))
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    authorizer.warm()
    fresh = authorizer.is_stale
    file.unlink()
    clock.advance(3599)
    assert authorizer.allow(who(), "orders", "decode") == "grants[0]"
    assert (fresh, authorizer.is_stale) == (False, True)
    clock.advance(1)
    with pytest.raises(PolicyUnavailable):
        authorizer.allow(who(), "orders", "decode")


READS, WRITES = {"decode", "download"}, {"decode", "download", "encode"}


@pytest.mark.parametrize(
    ("permission", "operations"),
    [
        ("orders:read", READS),
        ("orders:worker", READS),
        ("orders:write", WRITES),
        ("orders:admin", WRITES),
        ("temporal-system:read", READS),
        ("temporal-system:admin", WRITES),
        ("orders:Read", set()),
        ("orders:owner", set()),
        ("Orders:read", set()),
        ("other:admin", set()),
        ("orders", set()),
        (":read", set()),
        ("", set()),
    ],
)
def test_roles_of_a_token(permission: str, operations: set[str]) -> None:
    """`namespace:role` as Temporal's own authorizer reads it."""
    claim = PermissionsClaim()
    for operation in WRITES:
        if operation in operations:
            rule = claim.allow(who(None, "s", permission), "orders", operation)
            assert rule == f"permissions {permission.rpartition(':')[2]}"
        else:
            with pytest.raises(Denied):
                claim.allow(who(None, "s", permission), "orders", operation)
    assert claim.is_stale is False


def check(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "handlers.access.policy", "check", str(file), *arguments],
        env=clean_environment({}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_policy_can_be_tried_before_it_is_deployed(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(DOCUMENT)
    asked = ("--namespace", "orders-eu.a1b2c", "--operation", "decode")
    allowed = check(file, "--identity", "Ana@example.com", *asked)
    assert (allowed.returncode, allowed.stdout) == (0, "allowed by grants[0]\n")
    assert main(["check", str(file), "--identity", "Ana@example.com", *asked]) == 0
    by_subject = check(file, "--identity", "sub:auth0|123", *asked)
    assert by_subject.stdout == "allowed by grants[1]\n"
    denied = check(file, "--identity", "ana@example.org", *asked)
    assert (denied.returncode, denied.stdout) == (1, "denied: no grant covers it\n")
    file.write_bytes(b"{}")
    assert main(["check", str(file), "--identity", ANA, *asked]) == 2
    broken = check(file, "--identity", ANA, *asked)
    assert broken.returncode == 2
    assert "grants" in broken.stderr
    assert "Traceback" not in broken.stderr
