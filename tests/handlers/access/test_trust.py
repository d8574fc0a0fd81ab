"""Several issuers: what the document may say, and that none of them speaks for another (T5)."""

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from handlers.access.alb import LoadBalancerKeys
from handlers.access.documents import FetchError
from handlers.access.guard import Guard
from handlers.access.jwks import issuer_keys
from handlers.access.jws import TokenRefused
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import JwksUnavailable, KeyStore, TrustUnavailable, Verified, Verifier
from handlers.access.trust import TrustError, parse
from handlers.server.app import build_app
from handlers.settings.issuer import Issuer
from handlers.settings.server import server_settings
from temporal_codec.cached import Cached
from temporal_codec.clock import Life
from temporal_codec.keys.sources import open_source
from temporal_codec.policy import Identity
from tests.codec.clock import FakeClock
from tests.handlers.access.asking import here, run
from tests.handlers.calls import JSON_HEADERS, ORIGIN, Reply, call
from tests.rigs.issuer import b64url, claims, header
from tests.rigs.signers import ALGORITHMS, jwk, parts, private_key, sign, token

EMAIL = "ana@example.com"
NAMES = dict(zip(("one", "two", "three", "four", "five"), ALGORITHMS, strict=True))


def issuer(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "issuer": f"https://{name}.example.com/",
        "jwks": f"https://{name}.example.com/jwks",
        "audiences": [f"codec-{name}"],
        **more,
    }


def document(*issuers: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"issuers": issuers or [issuer("one")], **more}).encode()


def test_the_smallest_document() -> None:
    trust = parse(document())
    assert trust.token_from == ("authorization",)
    assert trust.issuers[0].email_claim == "email"
    assert trust.issuers[0].algorithms == ALGORITHMS
    assert parse(b"\xef\xbb\xbf" + document()) == trust, "a BOM is taken"


def test_what_just_fits() -> None:
    """32 issuers, 64 audiences, texts of 1,024 characters; http on this machine."""
    many = [issuer(f"i{number}") for number in range(31)]
    largest = issuer("x", issuer="x" * 1024, audiences=["a", *(f"a{n}" for n in range(63))])
    trust = parse(document(*many, largest))
    assert (len(trust.issuers), len(trust.issuers[31].audiences)) == (32, 64)
    assert trust.issuers[0].permissions_claim == "permissions"
    for host in ("localhost", "127.0.0.1:8080", "[::1]:8080"):
        address = f"http://{host}/jwks"
        assert parse(document(issuer("one", jwks=address))).issuers[0].jwks_url == address


WRONG: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "no issuers": document()[:-1].replace(b'"issuers"', b'"issuer"') + b"}",
    "an empty list": b'{"issuers":[]}',
    "33 issuers": document(*(issuer(f"i{n}") for n in range(33))),
    "an unknown member": document(token_form=["authorization"]),
    "an unknown member of an issuer": document(issuer("one", audience="x")),
    "two of one name": document(issuer("one"), issuer("one", issuer="https://other/")),
    "two of one address": document(issuer("one"), issuer("two", issuer="https://one.example.com/")),
    "a duplicate member": b'{"issuers":[],"issuers":[]}',
    "http beyond this machine": document(issuer("one", jwks="http://one.example.com/jwks")),
    "http by a look-alike": document(issuer("one", jwks="http://localhost.evil.io/jwks")),
    "http by a user": document(issuer("one", jwks="http://localhost@evil.io/jwks")),
    "another scheme": document(issuer("one", jwks="ftp://one.example.com")),
    "no audiences": document(issuer("one", audiences=[])),
    "an empty audience": document(issuer("one", audiences=["a", ""])),
    "a symmetric algorithm": document(issuer("one", algorithms=["HS256"])),
    "no algorithm": document(issuer("one", algorithms=[])),
    "none": document(issuer("one", algorithms=["none"])),
    "an odd name": document({**issuer("one"), "name": "o n e"}),
    "a text that is too long": document(issuer("one", issuer="x" * 1025)),
    "an empty text": document(issuer("one", issuer="")),
    "65 audiences": document(issuer("one", audiences=[f"a{n}" for n in range(65)])),
    "a use of tokens": document(issuer("one", token_use="refresh")),
    "a load balancer without its ARN": document(issuer("one", jwks="alb:eu-west-1")),
    "an ARN without a load balancer": document(issuer("one", signer="arn:aws:x")),
    "a regular expression without groups": document(issuer("one", permissions_regex="a:b")),
    "no regular expression": document(issuer("one", permissions_regex="(?P<namespace>")),
    "no place": document(token_from=[]),
    "an unknown place": document(token_from=["query:token"]),
    "a header in upper case": document(token_from=["header:X-Token"]),
    "a cookie without credentials": document(token_from=["cookie:token"]),
    "UTF-16": document().decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_document_is_refused_whole(name: str) -> None:
    with pytest.raises(TrustError):
        parse(WRONG[name])


def test_a_fault_is_told_with_its_place() -> None:
    with pytest.raises(TrustError, match="line 2, column 3"):
        parse(b'{"issuers":\n  x}')
    with pytest.raises(TrustError, match=r"issuers\[1\]\.jwks"):
        parse(document(issuer("one"), issuer("two", jwks="http://two.example.com")))


def test_a_cookie_may_be_named_with_credentials() -> None:
    trust = parse(document(token_from=["cookie:CF_Authorization"]), with_cookies=True)
    assert trust.token_from == ("cookie:CF_Authorization",)


class Issuers:
    """Issuers whose keys are held, and which fetches they had."""

    def __init__(self, trust: bytes, clock: FakeClock | None = None) -> None:
        self.document = trust
        self.down: set[str] = set()
        self.fetches: list[str] = []
        self.clock = clock or FakeClock()
        self.trust = Cached(
            lambda: parse(self.document, with_cookies=True), Life(50, 3600), self.clock
        )
        self.verifier = Verifier(self.trust, self._open)

    def _open(self, issuer: Issuer) -> KeyStore:
        def fetch() -> bytes:
            self.fetches.append(issuer.name)
            if issuer.name in self.down:
                raise FetchError("status 500")
            return json.dumps({"keys": [jwk(NAMES.get(issuer.name, "RS256"))]}).encode()

        return issuer_keys(fetch, self.clock)

    def verified(self, bearer: str) -> Verified:
        return run(self.verifier.verify({b"authorization": f"Bearer {bearer}".encode()}, here))

    def verify(self, bearer: str) -> Identity:
        return self.verified(bearer).identity

    def refuses(self, bearer: str) -> str:
        with pytest.raises(TokenRefused) as caught:
            self.verify(bearer)
        return str(caught.value)


def five() -> bytes:
    """Five issuers, each of an algorithm of its own; the last two are trusted for ID tokens."""
    return document(
        *(issuer(name, token_use="id" if name in ("four", "five") else "access") for name in NAMES)
    )


KINDS: dict[str, dict[str, Any]] = {
    "access": {"token_use": "access"},
    "id": {"token_use": "id", "nonce": "n", "at_hash": "h"},
    "refresh": {"typ": "Refresh"},
    "logout": {"events": {}},
    "bound": {"cnf": {"jkt": "x"}},
}


def made(name: str, kind: str, signer: str | None = None, **changes: Any) -> str:
    said = {
        "iss": f"https://{name}.example.com/",
        "aud": f"codec-{name}",
        "email": EMAIL,
        **KINDS[kind],
        **changes,
    }
    return token(NAMES[signer or name], payload=claims(**said))


def test_only_the_right_kind_of_the_right_issuer_is_taken() -> None:
    """5 issuers, 5 kinds of token: each issuer's own, with its own key, of the kind it has."""
    issuers = Issuers(five())
    taken = set()
    for name, kind in product(NAMES, KINDS):
        try:
            identity = issuers.verify(made(name, kind))
        except TokenRefused:
            continue
        assert (identity.issuer_name, identity.subject) == (name, "auth0|123")
        taken.add((name, kind))
    assert taken == {
        *((name, "access") for name in ("one", "two", "three")),
        *((name, "id") for name in ("four", "five")),
    }


REFRESH = {"refresh", "refresh_token", "offline", "logout", "logout_token"}
PURPOSES = {
    # What issuers whose access tokens, or whose ID tokens, are taken may say of a token.
    "one": ("access", {"access", "access_token", "bearer"}, {*REFRESH, "id", "id_token"}),
    "four": ("id", {"id", "id_token"}, {*REFRESH, "access", "access_token"}),
}


@pytest.mark.parametrize("name", PURPOSES)
def test_a_token_that_says_it_is_for_something_else_is_refused(name: str) -> None:
    """In any of the claims with which providers say so, in any case."""
    kind, right, wrong = PURPOSES[name]
    issuers = Issuers(five())
    for claim in ("token_type", "type", "purpose"):
        for said in wrong:
            refused = issuers.refuses(made(name, kind, **{claim: said.upper()}))
            assert refused == "of another kind", said
        assert all(issuers.verify(made(name, kind, **{claim: said})).subject for said in right)


@pytest.mark.parametrize(
    ("name", "kind", "types"),
    [("one", "access", {"Bearer", "JWT", "at+jwt"}), ("four", "id", {"ID", "JWT"})],
)
def test_the_claim_typ(name: str, kind: str, types: set[str]) -> None:
    """As Keycloak writes it."""
    issuers = Issuers(five())
    assert all(issuers.verify(made(name, kind, typ=each)).subject for each in types)
    for other in {"Bearer", "ID", "at+jwt", "Refresh", "DPoP", ""} - types:
        assert issuers.refuses(made(name, kind, typ=other)) == "the claim typ"


@pytest.mark.parametrize(
    ("name", "other"), [each for each in product(NAMES, NAMES) if len(set(each)) > 1]
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_issuer_speaks_for_another(name: str, other: str, kind: str) -> None:
    """Another's key, another's audience, another's name: nothing of it is believed."""
    issuers = Issuers(five())
    there = f"https://{other}.example.com/"
    issuers.refuses(made(name, kind, signer=other))
    issuers.refuses(made(name, kind, aud=f"codec-{other}"))
    issuers.refuses(made(name, kind, iss=there))
    issuers.refuses(made(name, kind, iss=there, aud=f"codec-{other}"))
    both = made(name, kind, iss=[f"https://{name}.example.com/", there])
    assert issuers.refuses(both) == "issuer"


def test_an_outage_of_one_never_touches_another() -> None:
    """J, for each issuer: its keys age, fail and come back alone."""
    issuers = Issuers(five())
    issuers.down = {"two"}
    assert issuers.verify(made("one", "access")).issuer_name == "one"
    with pytest.raises(JwksUnavailable):
        issuers.verify(made("two", "access"))
    assert issuers.fetches == ["one", "two"]
    issuers.clock.advance(30)
    issuers.down = {"one"}
    assert issuers.verify(made("two", "access")).subject
    issuers.clock.advance(280)
    assert issuers.verified(made("one", "access")).is_stale
    assert not issuers.verified(made("two", "access")).is_stale


def test_garbage_fetches_no_keys() -> None:
    """T7: a token of an unknown issuer, for others, or expired causes no fetch."""
    issuers = Issuers(five())
    for bearer in (
        made("one", "access", iss="https://evil.io/"),
        made("one", "access", aud="x"),
        made("one", "access", exp=1, iat=0),
        made("one", "access", sub=""),
        made("one", "access", x=["y" * 7000]),
        token("PS256", payload=claims(iss="https://one.example.com/", aud="codec-one", sub="\n")),
    ):
        issuers.refuses(bearer)
    assert issuers.fetches == []


def test_an_issuer_that_changes_keeps_the_others_keys() -> None:
    """The document is read again: what it no longer names is refused, the rest is not fetched."""
    issuers = Issuers(document(issuer("one"), issuer("two")))
    assert issuers.verify(made("one", "access")).subject
    assert issuers.verify(made("two", "access")).subject
    issuers.document = document(issuer("one"), issuer("three"))
    issuers.clock.advance(50)
    assert issuers.verify(made("one", "access")).subject
    assert issuers.refuses(made("two", "access")) == "issuer"
    assert issuers.verify(made("three", "access")).subject
    assert issuers.fetches == ["one", "two", "three"]


def test_the_last_good_document_serves_on() -> None:
    issuers = Issuers(b"wrong")
    with pytest.raises(TrustUnavailable, match="not JSON: line 1, column 1"):
        issuers.verify(made("one", "access"))
    issuers.document = document()
    issuers.clock.advance(30)
    assert issuers.verify(made("one", "access")).subject
    issuers.document = document(issuer("one", jwks="http://evil.io"))
    issuers.clock.advance(3000)
    assert issuers.verify(made("one", "access")).subject


# What each provider's tokens look like, and the row of docs/identities.md that serves them.
PROVIDERS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str | None]] = {
    "Auth0": (
        {"email_claim": "https://codec.example.com/email"},
        {"typ": "at+jwt"},
        {"https://codec.example.com/email": EMAIL, "azp": "c", "scope": "openid"},
        EMAIL,
    ),
    "Okta": (
        {"email_claim": "sub"},
        {"typ": None},
        {"sub": EMAIL, "cid": "c", "uid": "u", "ver": 1, "scp": ["openid"], "auth_time": 1},
        EMAIL,
    ),
    "Entra ID": (
        {"email_claim": "preferred_username", "groups_claim": "groups"},
        {"typ": "JWT"},
        {"preferred_username": EMAIL, "ver": "2.0", "tid": "t", "oid": "o", "groups": ["g"]},
        EMAIL,
    ),
    "Keycloak": (
        {"groups_claim": ["realm_access", "roles"]},
        {"typ": "JWT"},
        {"typ": "Bearer", "email": EMAIL, "email_verified": True, "realm_access": {"roles": ["g"]}},
        EMAIL,
    ),
    "Google": (
        {"token_use": "id"},
        {"typ": "JWT"},
        {"email": EMAIL, "email_verified": True, "azp": "codec-one", "at_hash": "h", "nonce": "n"},
        EMAIL,
    ),
    "Cognito": (
        {"audience_claim": "client_id", "email_claim": "", "groups_claim": "cognito:groups"},
        {"typ": None},
        {"aud": None, "client_id": "codec-one", "token_use": "access", "cognito:groups": ["g"],
         "username": "ana", "scope": "openid email"},
        None,
    ),
    "Dex": (
        {"token_use": "id"},
        {"typ": None},
        {"email": EMAIL, "email_verified": True, "at_hash": "h", "name": "Ana"},
        EMAIL,
    ),
    "GitHub Actions": (
        {"email_claim": ""},
        {"typ": "JWT", "x5t": "x"},
        {"sub": "repo:example/app:ref:refs/heads/main", "repository": "example/app", "nbf": 1},
        None,
    ),
    "Cloudflare Access": (
        {},
        {"typ": None},
        {"email": EMAIL, "type": "app", "identity_nonce": "n", "country": "DE"},
        EMAIL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_s_tokens_are_taken(provider: str) -> None:
    """Claims, types and headers as this provider has them; and not those of another audience."""
    settings, head, said, email = PROVIDERS[provider]
    issuers = Issuers(document(issuer("one", **settings)))
    said = {"iss": "https://one.example.com/", "aud": "codec-one", **said}
    identity = issuers.verify(token("RS256", header(**head), claims(**said)))
    assert identity.email == email
    if "groups_claim" in settings:
        assert identity.groups == {"g"}
    place = settings.get("audience_claim", "aud")
    others = claims(**{**said, place: "another"})
    assert issuers.refuses(token("RS256", header(**head), others)) == "audience"


def test_every_provider_of_the_page_is_tried() -> None:
    page = (Path(__file__).parents[3] / "docs" / "identities.md").read_text()
    table = page.split("## Providers")[1].split("## ")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert set(rows) - {"provider"} == {*PROVIDERS, "Temporal Cloud", "AWS load balancer"}


def test_every_member_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "identities.md").read_text()
    from handlers.access.trust import IssuerDocument, TrustDocument  # noqa: PLC0415

    for member in (*IssuerDocument.__struct_fields__, *TrustDocument.__struct_fields__):
        assert f"| `{member}` |" in page


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["a", "b"], {"a", "b"}),
        ("a b", {"a", "b"}),
        (["a", 1, None, ["b"], ""], {"a"}),
        (["g" * 256, "g" * 257], {"g" * 256}),
        ({"a": 1}, set()),
        (1, set()),
        (None, set()),
    ],
)
def test_groups_of_a_token(claim: object, groups: set[str]) -> None:
    """A list, or text with spaces; what is no text is left out."""
    issuers = Issuers(document(issuer("one", groups_claim="groups")))
    assert issuers.verify(made("one", "access", groups=claim)).groups == groups
    unnamed = Issuers(document(issuer("one")))
    assert unnamed.verify(made("one", "access", groups=claim)).groups == set()


@pytest.mark.parametrize(
    "marker", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}, {"hasgroups": "true"}]
)
def test_groups_that_were_left_out_refuse_the_token(marker: dict[str, Any]) -> None:
    """Entra's overage: without its groups nobody knows what the bearer may do."""
    issuers = Issuers(document(issuer("one", groups_claim="groups")))
    assert "overage" in issuers.refuses(made("one", "access", **marker))
    assert Issuers(document(issuer("one"))).verify(made("one", "access", **marker)).subject


def test_permissions_by_a_name_and_a_pattern_of_one_s_own() -> None:
    """`permissionsClaimName` and `permissionsRegex` of a Temporal server."""
    named = issuer(
        "one", permissions_claim="roles", permissions_regex="^t/(?P<namespace>[^/]+)/(?P<role>.*)$"
    )
    identity = Issuers(document(named)).verify(
        made("one", "access", roles=["t/a:b/Read", "other", 1], permissions=["x:admin"])
    )
    assert identity.permissions == (("a:b", "Read"),)


def test_a_regular_expression_reads_verified_tokens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's may take exponential time, and anybody can write a token that is not signed."""
    read: list[Any] = []
    monkeypatch.setattr(
        "handlers.access.token.token_claims.read_permissions", lambda *given: read.append(given)
    )
    slow = issuer("one", permissions_regex="(?P<namespace>([a-z]-?)+):(?P<role>.*)")
    issuers = Issuers(document(slow))
    issuers.refuses(made("one", "access", "two", permissions=["a" * 1000]))
    forged = made("one", "access", permissions=["a" * 1000])[:-4] + "AAAA"
    assert issuers.refuses(forged) == "signature"
    assert read == []
    assert issuers.verify(made("one", "access", permissions=["a:read"])).subject
    assert len(read) == 1


def test_an_id_token_names_who_asked_for_it() -> None:
    """`azp` is required if there are several audiences, and is one of ours."""
    issuers = Issuers(document(issuer("one", token_use="id")))
    several = ["codec-one", "other"]
    assert issuers.verify(made("one", "id", aud=several, azp="codec-one")).subject
    for azp in (None, "other", 1, ["codec-one"]):
        assert issuers.refuses(made("one", "id", aud=several, azp=azp)) == "azp"


def test_a_bound_token_is_taken_only_if_the_trust_says_so() -> None:
    assert "cnf" in Issuers(document()).refuses(made("one", "bound"))
    assert Issuers(document(issuer("one", accepts_bound=True))).verify(made("one", "bound")).subject


class Server:
    """The app with a trust document and a policy, without a network."""

    def __init__(self, trust: bytes, **settings: str) -> None:
        self.issuers = Issuers(trust)
        self.records: list[Any] = []
        grant = {"identities": ["*@example.com"], "namespaces": ["*"], "operations": ["decode"]}
        policy = json.dumps({"grants": [grant]}).encode()
        guard = Guard(self.issuers.verifier, PolicyAuthorizer(lambda: policy))
        settled = server_settings({"CODEC_AUTH": "jwt", "CODEC_CREDENTIALS": "true", **settings})
        self.app = build_app(settled, open_source("development"), guard, self.records.append)

    def ask(self, headers: Mapping[str, str], **more: Any) -> Reply:
        return call(self.app, headers={**JSON_HEADERS, **headers}, **more)


PLACES = ["authorization", "authorization-extras", "header:x-token", "cookie:token"]


def placed(place: str, bearer: str) -> dict[str, str]:
    if place == "authorization":
        return {"authorization": f"Bearer {bearer}"}
    if place.startswith("cookie:"):
        return {"cookie": f"a=b; token={bearer}; c=d"}
    return {place.removeprefix("header:"): bearer}


@pytest.mark.parametrize("place", PLACES)
def test_a_token_is_found_where_the_document_says(place: str) -> None:
    """And nowhere else; the record names the place."""
    good = made("one", "access")
    server = Server(document(token_from=[place]))
    reply = server.ask({**placed(place, good), "origin": ORIGIN})
    assert reply.status == 200
    assert server.records[-1].token_from == place
    for other in PLACES:
        if other != place:
            assert server.ask({**placed(other, good), "origin": ORIGIN}).status == 401


@pytest.mark.parametrize(
    ("first", "second"), [("authorization", "cookie:token"), ("cookie:token", "authorization")]
)
def test_the_first_place_decides(first: str, second: str) -> None:
    """Two people in one request: the order of the document, and never the better of the two."""
    server = Server(document(token_from=[first, second]))
    ana, eve = made("one", "access"), made("one", "access", email="eve@evil.io", sub="eve")
    both = {**placed(first, ana), **placed(second, eve), "origin": ORIGIN}
    assert server.ask(both).status == 200
    assert (server.records[-1].email, server.records[-1].token_from) == (EMAIL, first)
    both = {**placed(first, eve), **placed(second, ana), "origin": ORIGIN}
    assert server.ask(both).status == 403
    both = {**placed(first, "a.b.c"), **placed(second, ana), "origin": ORIGIN}
    assert server.ask(both).status == 401


def test_a_cookie_twice_is_refused() -> None:
    server = Server(document(token_from=["cookie:token"]))
    good = made("one", "access")
    reply = server.ask({"cookie": f"token={good}; token={good}", "origin": ORIGIN})
    assert (reply.status, server.records[-1].detail) == (401, "two cookies of one name")


@pytest.mark.parametrize("place", PLACES)
def test_a_hundred_kilobytes_of_claims_cause_nothing(place: str) -> None:
    """From any place: refused by size before it is read, with no fetch and the one body."""
    server = Server(document(token_from=[place]))
    small, large = (made("one", "access", groups=["g" * size]) for size in (10_000, 100_000))
    bodies = set()
    for bearer in (small, large, "g" * 100_000):
        reply = server.ask({**placed(place, bearer), "origin": ORIGIN})
        assert reply.status == 401
        assert server.records[-1].detail == "not one bearer token of a fitting size"
        bodies.add(reply.body)
    assert len(bodies) == 1
    assert server.issuers.fetches == []


@pytest.mark.parametrize(
    "cookie",
    [
        "_oauth2_proxy=KEVuY3J5cHRlZA==|1795942340|c2lnbmF0dXJl",
        "_oauth2_proxy_0=KEVuY3J5cHRl; _oauth2_proxy_1=ZA==|1795942340|c2lnbmF0dXJl",
    ],
    ids=["one part", "split"],
)
def test_oauth2_proxy_s_own_cookie_is_no_token_and_what_it_passes_on_is(cookie: str) -> None:
    """Its cookie is encrypted; the header that it adds has the person's access token."""
    server = Server(document(token_from=["cookie:_oauth2_proxy"]))
    assert server.ask({"cookie": cookie, "origin": ORIGIN}).status == 401
    assert server.issuers.fetches == []
    behind = Server(document(token_from=["header:x-forwarded-access-token"]))
    passed_on = {"x-forwarded-access-token": made("one", "access"), "cookie": cookie}
    assert behind.ask({**passed_on, "origin": ORIGIN}).status == 200


SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]


@pytest.mark.parametrize("content_type", SIMPLE)
def test_a_simple_request_with_a_cookie_is_403_before_anything_is_read(content_type: str) -> None:
    """CSRF: a form of any page can send this, with the cookie that the browser adds."""
    server = Server(document(token_from=["cookie:token"]))
    cookie = placed("cookie:token", made("one", "access"))

    for origin in (ORIGIN, "https://evil.io", "null", None):
        headers = {**cookie, "content-type": content_type, **({"origin": origin} if origin else {})}
        assert server.ask(headers).status == 403
    assert server.ask(cookie).status == 403, "JSON without an Origin"
    assert server.issuers.fetches == []


KID = "12345678-1234-1234-1234-123456789abc"
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/a/1"


class Balancer:
    """A load balancer's key, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.published = {KID}
        self.status: int | None = None
        self.algorithm = "ES256"
        self.clock = FakeClock()
        self.keys = LoadBalancerKeys(self._fetch, self.clock)
        trust = parse(
            document(
                issuer("one", jwks="alb:eu-west-1", signer=ARN),
                token_from=["header:x-amzn-oidc-data"],
            )
        )
        self.verifier = Verifier(trust, lambda _: self.keys)

    def _fetch(self, kid: str) -> bytes:
        from tests.handlers.access.test_algorithms import public_pem  # noqa: PLC0415

        self.asked.append(kid)
        if self.status is not None or kid not in self.published:
            status = self.status or 403
            raise FetchError(f"status {status}", status)
        return public_pem(private_key(self.algorithm))

    def verify(self, bearer: str) -> Identity:
        headers = {b"x-amzn-oidc-data": bearer.encode()}
        return run(self.verifier.verify(headers, here)).identity


def balanced(kid: str = KID, claimed: Mapping[str, Any] = {}, **changes: Any) -> str:
    """A token as a load balancer makes it: padded, with what matters in its header."""
    exp = claims()["exp"]
    head = {
        "typ": "JWT",
        "kid": kid,
        "alg": "ES256",
        "iss": "https://one.example.com/",
        "client": "codec-one",
        "signer": ARN,
        "exp": exp,
        **changes,
    }
    said = {"sub": "ana", "email": EMAIL, "iss": "https://one.example.com/", **claimed}
    texts = [json.dumps(each).encode() for each in (head, said)]
    signed = ".".join(b64url(each) + "=" * (-len(b64url(each)) % 4) for each in texts)
    signature = b64url(sign("ES256", private_key("ES256"), signed.encode()))
    return f"{signed}.{signature}=="


def test_a_load_balancer_s_token() -> None:
    balancer = Balancer()
    for _ in range(3):
        identity = balancer.verify(balanced())
    assert (identity.email, identity.token_from) == (EMAIL, "header:x-amzn-oidc-data")
    assert balancer.asked == [KID]


@pytest.mark.parametrize(
    "changes",
    [
        {"signer": ARN + "2"},
        {"signer": None},
        {"client": "other"},
        {"exp": 1},
        {"exp": None},
        {"exp": 10**11},
        {"alg": "HS256"},
        {"kid": "../../etc"},
        {"kid": KID.upper()},
    ],
    ids=str,
)
def test_a_load_balancer_s_token_for_others_is_refused(changes: dict[str, Any]) -> None:
    """The balancer, the client and the time are those of the header; no key is asked for."""
    balancer = Balancer()
    with pytest.raises(TokenRefused):
        balancer.verify(balanced(**changes))
    assert balancer.asked == []


@pytest.mark.parametrize(("seconds", "refused"), [(30, None), (61, "expired")])
def test_a_load_balancer_s_token_has_the_leeway_of_others(
    seconds: int, refused: str | None
) -> None:
    """Though it does not say when it was issued."""
    bearer = balanced(exp=int(time.time()) - seconds)
    with pytest.raises(TokenRefused, match=refused) if refused else nullcontext():
        assert Balancer().verify(bearer).subject


def test_when_a_load_balancer_s_claims_end_earlier_that_counts() -> None:
    with pytest.raises(TokenRefused, match="expired"):
        Balancer().verify(balanced(claimed={"exp": 1}))


def test_invented_ids_of_keys_are_asked_for_a_few_times() -> None:
    """Each id is an address of its own, so new ones are limited; what is held serves on."""
    balancer = Balancer()
    assert balancer.verify(balanced()).subject
    for seconds, asked in ((0, 4), (29.5, 4), (0.5, 8)):
        balancer.clock.advance(seconds)
        for number in range(50):
            with pytest.raises(TokenRefused, match="unknown kid"):
                balancer.verify(balanced(kid=numbered(number)))
        assert len(balancer.asked) == asked
    assert balancer.verify(balanced()).subject
    assert len(balancer.asked) == 8


def numbered(number: int) -> str:
    return f"{number:08x}-1234-1234-1234-123456789abc"


def test_eight_keys_of_a_load_balancer_are_held() -> None:
    """The oldest makes room for a ninth."""
    balancer = Balancer()
    kids = [numbered(number) for number in range(9)]
    balancer.published = set(kids)
    for kid in (*kids[:8], *kids[:8], kids[8], kids[8], kids[7], kids[1]):
        if kid not in balancer.asked:
            balancer.clock.advance(10)
        assert balancer.verify(balanced(kid=kid)).subject
    assert balancer.asked == kids
    assert balancer.verify(balanced(kid=kids[0])).subject
    assert balancer.asked == [*kids, kids[0]]


@pytest.mark.parametrize("status", [403, 404])
def test_a_load_balancer_s_key_that_is_not_there_yet_is_asked_for_again(status: int) -> None:
    """Those are S3's statuses for what is not there."""
    balancer = Balancer()
    balancer.status = status
    with pytest.raises(TokenRefused, match="unknown kid"):
        balancer.verify(balanced())
    balancer.status = None
    assert balancer.verify(balanced()).subject


def test_an_outage_of_a_load_balancer_s_keys_is_an_outage() -> None:
    """And ends as soon as they are there."""
    balancer = Balancer()
    balancer.status = 500
    with pytest.raises(JwksUnavailable, match="status 500"):
        balancer.verify(balanced())
    balancer.status = None
    assert balancer.verify(balanced()).subject
    assert balancer.asked == [KID, KID]


@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "EdDSA"])
def test_a_load_balancer_s_key_is_of_its_one_kind(algorithm: str) -> None:
    balancer = Balancer()
    balancer.algorithm = algorithm
    with pytest.raises(JwksUnavailable, match="not one for ES256"):
        balancer.verify(balanced())


def test_a_padded_token_is_one_nowhere_else() -> None:
    issuers = Issuers(document())
    signed = parts(header(), claims())
    assert "base64url" in issuers.refuses(f"{signed}.AAAA==")


def test_the_default_issuer_is_the_first() -> None:
    """Grants that name no issuer count for it alone, so that a second one widens nothing."""
    issuers = Issuers(document(issuer("one"), issuer("two")))
    assert issuers.verify(made("one", "access")).is_default_issuer
    assert not issuers.verify(made("two", "access")).is_default_issuer
