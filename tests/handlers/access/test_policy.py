"""The authorizers that decide by a document and by the token's own claim (rules P1 to P3)."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.access.authorizer import PolicyUnavailable
from handlers.access.claims import read_permissions
from handlers.access.permissions import PermissionsClaim
from handlers.access.policy import PolicyAuthorizer
from temporal_codec.policy import Identity
from tests.codec.clock import FakeClock
from tests.handlers.access.asking import Denied, allow, decided

ANA = "ana@example.com"


def who(
    email: str | None = ANA, subject: str = "auth0|123", *permissions: str, **more: Any
) -> Identity:
    return Identity(
        subject, email, "issuer", "kid", "token", read_permissions([*permissions]), **more
    )


def policy(*grants: dict[str, Any]) -> bytes:
    return json.dumps({"grants": grants}).encode()


def grant(**changes: Any) -> dict[str, Any]:
    return {"identities": [ANA], "namespaces": ["orders"], "operations": ["decode"], **changes}


def test_a_wrong_document_closes_at_start_and_keeps_the_last_good_one(tmp_path: Path) -> None:
    """P1."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(b"wrong")
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    with pytest.raises(PolicyUnavailable):
        allow(authorizer, who(), "orders", "decode")
    file.write_bytes(policy(grant()))
    clock.advance(30)
    assert allow(authorizer, who(), "orders", "decode") == "grants[0]"
    file.write_bytes(b"wrong")
    clock.advance(3000)
    assert allow(authorizer, who(), "orders", "decode") == "grants[0]"


def test_a_change_is_in_force_within_a_minute(tmp_path: Path) -> None:
    """P3."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(policy(grant()))
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    allow(authorizer, who(), "orders", "decode")
    file.write_bytes(policy())
    clock.advance(60)
    with pytest.raises(Denied):
        allow(authorizer, who(), "orders", "decode")


def test_the_last_good_document_serves_an_hour(tmp_path: Path) -> None:
    """P1; a decision by it says so meanwhile."""
    file, clock = tmp_path / "policy.json", FakeClock()
    file.write_bytes(policy(grant()))
    authorizer = PolicyAuthorizer(file.read_bytes, clock)
    fresh = decided(authorizer, who(), "orders", "decode").stale
    file.unlink()
    clock.advance(3599)
    assert allow(authorizer, who(), "orders", "decode") == "grants[0]"
    assert (fresh, decided(authorizer, who(), "orders", "decode").stale) == ((), ("policy",))
    clock.advance(1)
    with pytest.raises(PolicyUnavailable):
        allow(authorizer, who(), "orders", "decode")


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
        ("orders:Read", READS),
        ("temporal-system:ADMIN", WRITES),
        ("temporal-systemx:admin", set()),
        ("temporal-system-orders:admin", set()),
        ("temporal-system:orders:admin", set()),
        ("a:orders:read", set()),
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
            rule = allow(claim, who(None, "s", permission), "orders", operation)
            assert rule == f"permissions {permission.rpartition(':')[2].lower()}"
        else:
            with pytest.raises(Denied):
                allow(claim, who(None, "s", permission), "orders", operation)
