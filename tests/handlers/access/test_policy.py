"""The authorizers that decide by a document and by the token's own claim (rules P1 to P3)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from handlers.access.authorizer import PolicyUnavailable
from handlers.access.claims import read_permissions
from handlers.access.documents import FetchError, open_document
from handlers.access.permissions import PermissionsClaim
from handlers.access.policy import PolicyAuthorizer
from handlers.settings.issuer import TEMPORAL_CLOUD
from temporal_codec.policy import MAX_BYTES, Identity, PolicyError, parse
from tests.codec.clock import FakeClock
from tests.handlers.access.asking import Denied, allow, decided
from tests.rigs.secrets_manager import CREDENTIALS, REGION, client

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


@pytest.fixture
def bucket(moto: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of S3, whose server this process's AWS SDK uses; the bucket is `policies`."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{moto}")
    s3 = client(moto, "s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        where = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket="policies", CreateBucketConfiguration=where)
    return s3


def test_an_object_in_s3_holds_more_than_a_parameter(bucket: Any) -> None:
    """P3, with a document of 2,000 grants: a change is in force within a minute."""
    many = [grant(identities=[f"p{n}@example.com"]) for n in range(2000)]
    clock, here = FakeClock(), {"Bucket": "policies", "Key": "team/policy.json"}
    bucket.put_object(**here, Body=policy(*many, grant()))
    uri = "s3:policies/team/policy.json"
    authorizer = PolicyAuthorizer(open_document(uri, MAX_BYTES), clock)
    assert allow(authorizer, who(), "orders", "decode") == "grants[2000]"
    bucket.put_object(**here, Body=policy(*many))
    clock.advance(60)
    with pytest.raises(Denied):
        allow(authorizer, who(), "orders", "decode")
    bucket.delete_object(**here)
    clock.advance(60)
    with pytest.raises(Denied):
        allow(authorizer, who(), "orders", "decode")
    with pytest.raises(FetchError, match=f"{uri}: NoSuchKey"):
        open_document(uri, MAX_BYTES)()
    with pytest.raises(FetchError, match="s3:no-such-bucket/x: NoSuchBucket"):
        open_document("s3:no-such-bucket/x", MAX_BYTES)()


def test_an_object_that_is_too_large_is_not_read_to_its_end(bucket: Any) -> None:
    bucket.put_object(Bucket="policies", Key="large", Body=bytes(100_001))
    with pytest.raises(FetchError, match="s3:policies/large: it has more than 100000 bytes"):
        open_document("s3:policies/large", 100_000)()


@pytest.mark.usefixtures("bucket")
def test_a_parameter_holds_a_policy(moto: int) -> None:
    """P3, in the Parameter Store: the latest version, and a fault that names it."""
    fetch = open_document("ssm:/team/policy", 10_000)
    for version in (policy(), policy(grant())):
        client(moto, "ssm").put_parameter(
            Name="/team/policy", Type="String", Value=version.decode(), Overwrite=True
        )
        assert fetch() == version
    with pytest.raises(FetchError, match="ssm:/other: ParameterNotFound"):
        open_document("ssm:/other", 10_000)()


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
    fresh = decided(authorizer, who(), "orders", "decode").is_stale
    file.unlink()
    clock.advance(3599)
    assert allow(authorizer, who(), "orders", "decode") == "grants[0]"
    assert not fresh
    assert decided(authorizer, who(), "orders", "decode").is_stale
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


@pytest.mark.parametrize("purpose", ["", " "])
def test_a_grant_may_require_a_reason(purpose: str) -> None:
    """A caller that lacks nothing else learns it; any other is denied as before."""
    grants = policy(grant(reason="required"), grant(namespaces=["free"], reason="optional"))
    authorizer = PolicyAuthorizer(lambda: grants, FakeClock())
    assert allow(authorizer, who(purpose="INC-4711"), "orders", "decode") == "grants[0]"
    assert allow(authorizer, who(purpose=purpose), "free", "decode") == "grants[1]"
    for identity, namespace, reason in [
        (who(purpose=purpose), "orders", "no-reason"),
        (who("other@example.com", purpose=purpose), "orders", "denied"),
        (who(purpose=purpose), "other", "denied"),
    ]:
        decision = decided(authorizer, identity, namespace, "decode")
        assert (decision.rule, decision.reason) == (None, reason)


def test_another_word_for_a_reason_is_a_fault() -> None:
    with pytest.raises(PolicyError, match="reason"):
        parse(policy(grant(reason="yes")))


def test_a_permission_has_at_most_1024_characters() -> None:
    """As long as any namespace's name and a role; what is longer is left out."""
    longest = f"{'n' * 1019}:read"
    assert read_permissions([longest, f"n{longest}"]) == (("n" * 1019, "read"),)


def test_permissions_of_a_shared_issuer_allow_nothing() -> None:
    """A claim of Temporal Cloud's tokens says nothing of whose account it is."""
    caller = replace(who(ANA, "s", "temporal-system:admin"), issuer=TEMPORAL_CLOUD.issuer)
    decision = decided(PermissionsClaim(), caller, "orders", "decode")
    assert (decision.rule, "share its issuer" in decision.why) == (None, True)


def test_permissions_of_a_token_need_no_fetch() -> None:
    """At start there is nothing to wait for."""
    assert PermissionsClaim().caches == {}
