"""What the settings choose: whose keys, which document and which authorizer, and how they age."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.access.authorizer import Decision, PolicyUnavailable
from handlers.access.documents import FetchError
from handlers.access.guard import Guard, make_guard
from handlers.access.jws import TokenRefused
from handlers.access.token import JwksUnavailable, Verified
from handlers.settings.server import server_settings
from temporal_codec.policy import Identity
from tests.codec.clock import FakeClock
from tests.handlers.access.asking import decided, here, run
from tests.handlers.access.test_trust import balanced, document, issuer
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, claims, jwk, rsa_key, token

ANA = Identity("auth0|123", "ana@example.com", ISSUER, "key-1", "token", ())
GRANT = {"identities": ["*@example.com"], "namespaces": ["orders"], "operations": ["decode"]}


@dataclass
class Files:
    """An issuer and a policy without a network, and the time."""

    folder: Path
    clock: FakeClock

    def write(self, name: str, content: Any) -> str:
        file = self.folder / name
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return f"file:{file}"

    def publish(self, *names: str) -> str:
        return self.write("jwks.json", {"keys": [jwk(rsa_key(), name) for name in names]})

    def guard(self, **settings: str) -> Guard:
        """The guard of these settings, with an issuer of its own."""
        environ = {
            "CODEC_AUTH": "jwt",
            "CODEC_ISSUER": ISSUER,
            "CODEC_JWKS_URL": self.publish("key-1"),
            "CODEC_AUDIENCES": AUDIENCE,
            "CODEC_EMAIL_CLAIM": EMAIL_CLAIM,
            **settings,
        }
        made = make_guard(server_settings(environ).access)
        assert made is not None
        return made

    def trusting(self, trust: bytes) -> Guard:
        """The guard of a trust document."""
        own = ("CODEC_ISSUER", "CODEC_JWKS_URL", "CODEC_AUDIENCES", "CODEC_EMAIL_CLAIM")
        trusted = self.write("trust.json", trust)
        return self.guard(**dict.fromkeys(own, ""), CODEC_TRUST=trusted)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    clock = FakeClock()
    clock.wall = time.time()  # tokens are of now
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return Files(tmp_path, clock)


def verify(guard: Guard, bearer: str, header: bytes = b"authorization") -> Verified:
    return run(guard.verifier.verify({header: bearer.encode()}, here))


def identify(guard: Guard, bearer: str, header: bytes = b"authorization") -> Identity:
    return verify(guard, bearer, header).identity


def decide(guard: Guard, identity: Identity = ANA) -> Decision:
    return decided(guard.authorizer, identity, "orders", "decode")


def test_without_tokens_there_is_no_guard() -> None:
    assert make_guard(server_settings({}).access) is None


def test_keys_in_a_file_age_as_a_policy_does(files: Files) -> None:
    """A key that is withdrawn stops within a minute, and the decision names what is stale."""
    guard, bearer = files.guard(), f"Bearer {token()}"
    assert identify(guard, bearer).subject == "auth0|123"
    files.publish("key-2")
    files.clock.advance(49)
    assert identify(guard, bearer).subject == "auth0|123"
    assert not verify(guard, bearer).is_stale
    files.clock.advance(1)
    with pytest.raises(TokenRefused, match="unknown kid"):
        identify(guard, bearer)


def test_a_trust_document_is_read_again_as_often(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """An issuer that is withdrawn stops within a minute; a fault is reported by its name."""
    trusted = issuer("one", issuer=ISSUER, jwks=files.publish("key-1"), audiences=[AUDIENCE])
    guard = files.trusting(document(trusted))
    assert [*guard.caches] == ["trust", "policy"]
    bearer = f"Bearer {token()}"
    assert identify(guard, bearer).issuer_name == "one"
    files.write("trust.json", b"{")
    files.clock.advance(50)
    assert identify(guard, bearer).issuer_name == "one"
    assert "the trust document cannot be refreshed" in caplog.text
    assert "the policy cannot be refreshed" not in caplog.text
    files.write("trust.json", document(issuer("two")).ljust(65_537))
    files.clock.advance(50)
    assert identify(guard, bearer).issuer_name == "one", "it is a byte too large"
    files.write("trust.json", document(issuer("two")).ljust(65_536))
    files.clock.advance(50)
    with pytest.raises(TokenRefused, match="issuer"):
        identify(guard, bearer)


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("eu-west-1", "public-keys.auth.elb.eu-west-1.amazonaws.com/"),
        ("cn-north-1", "public-keys.auth.elb.cn-north-1.amazonaws.com.cn/"),
        (
            "us-gov-west-1",
            "s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/",
        ),
    ],
)
def test_a_load_balancer_s_keys_are_its_region_s(
    files: Files, monkeypatch: pytest.MonkeyPatch, region: str, address: str
) -> None:
    asked: list[str] = []

    def get(self: Any, target: str) -> bytes:
        asked.append(f"{self._name}{target.rpartition('/')[0]}/")
        raise FetchError("no network")

    monkeypatch.setattr("handlers.access.documents.HttpsHost.get", get)
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"
    trusted = issuer("one", jwks=f"alb:{region}", signer=arn)
    trust = document(trusted, token_from=["header:x-amzn-oidc-data"])
    guard = files.trusting(trust)
    with pytest.raises(JwksUnavailable):
        identify(guard, balanced(), b"x-amzn-oidc-data")
    assert asked == [address]


def test_each_authorizer_decides_and_names_what_it_needs_at_start(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a policy nobody is allowed; a token's permissions count only if they are chosen."""
    reader = identify(files.guard(), f"Bearer {token(payload=claims(permissions=['orders:read']))}")
    broken = files.guard(CODEC_POLICY=files.write("policy.json", {}))
    with pytest.raises(PolicyUnavailable):
        decide(broken)
    assert "the policy cannot be refreshed" in caplog.text
    policy = files.write("policy.json", {"grants": [GRANT]})
    chosen = {
        "nothing": files.guard(),
        "a policy": files.guard(CODEC_POLICY=policy),
        "permissions": files.guard(CODEC_AUTHORIZER="permissions-claim"),
    }
    assert {name: decide(guard, reader).rule for name, guard in chosen.items()} == {
        "nothing": None,
        "a policy": "grants[0]",
        "permissions": "permissions read",
    }
    cloud = files.guard(CODEC_AUTHORIZER="temporal-cloud", CODEC_CLOUD_API_KEY="secretsmanager:a")
    named = {name: [*guard.caches][1:] for name, guard in {**chosen, "cloud": cloud}.items()}
    assert named == {
        "nothing": ["policy"],
        "a policy": ["policy"],
        "permissions": [],
        "cloud": ["cloud-api-key", "cloud-canary"],
    }


def test_a_denial_for_want_of_an_address_says_so(files: Files) -> None:
    """One whose reason is known keeps it, and what is allowed has none."""
    nobody = identify(files.guard(), f"Bearer {token(payload=claims(**{EMAIL_CLAIM: None}))}")
    denied = decide(files.guard(), nobody)
    assert (denied.reason, denied.why) == ("no-email", nobody.no_email)
    assert decide(files.guard()) == Decision(None)
    claim = decide(files.guard(CODEC_AUTHORIZER="permissions-claim"), nobody)
    assert (claim.reason, claim.why) == ("denied", "no permission of the token covers it")
    subject = {**GRANT, "identities": ["sub:auth0|123"]}
    guard = files.guard(CODEC_POLICY=files.write("policy.json", {"grants": [subject]}))
    assert decide(guard, nobody) == Decision("grants[0]")
