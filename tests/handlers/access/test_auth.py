"""Tokens: over a hundred hostile ones against the running server (rules T1 to T7)."""

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from temporal_codec.keys.keyring import development_ring
from tests.codec.rings import plain, sealed
from tests.handlers.calls import ORIGIN
from tests.handlers.server.test_outage import DECODED, body
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import (
    AUDIENCE,
    EMAIL_CLAIM,
    ISSUER,
    Issuer,
    b64url,
    claims,
    header,
    issuer,
    jwk,
    rsa_key,
    token,
)
from tests.rigs.processes import ROOT

POLICY = {
    "grants": [
        {"identities": ["*@example.com"], "namespaces": ["default"], "operations": ["decode"]},
        {"identities": ["sub:machine"], "namespaces": ["*"], "operations": ["decode", "encode"]},
    ]
}
OURS = body(sealed(plain(), next(iter(development_ring()))))
NOW = int(time.time())


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer")) as running:
        weak = jwk(rsa_key(2, 1024), "weak")
        running.keys += [weak, jwk(rsa_key(3), "encrypts", use="enc")]
        yield running


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    policy = tmp_path_factory.mktemp("policy") / "policy.json"
    policy.write_text(json.dumps(POLICY))
    return policy


@pytest.fixture(scope="module")
def turned_to(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that gets a line for each address that the server looks up or connects to."""
    return tmp_path_factory.mktemp("spy") / "turned-to"


@pytest.fixture(scope="module")
def server(published: Issuer, policy: Path, turned_to: Path) -> Iterator[CodecServer]:
    spied = {"PYTHONPATH": f"{ROOT / 'tests' / 'rigs' / 'spy'}:{ROOT}", "SPY_FILE": str(turned_to)}
    settings = {**published.settings(), "CODEC_POLICY": f"file:{policy}", **spied}
    with codec_server(settings) as running:
        yield running


def ask(server: CodecServer, authorization: str | None, path: str = "/decode", **more: Any) -> Any:
    headers = {
        "origin": ORIGIN,
        **({} if authorization is None else {"authorization": authorization}),
    }
    return server.post(path, OURS, headers={**headers, **more})


def test_who_may_reads(server: CodecServer) -> None:
    reply = ask(server, f"Bearer {token()}")
    assert reply.status_code == 200
    assert reply.json() == DECODED
    assert "email=ana@example.com" in server.log()
    assert "rule=grants[0]" in server.log()


def test_what_it_cannot_record_it_does_not_answer(published: Issuer, policy: Path) -> None:
    """The real process, whose standard output takes nothing: no plaintext leaves."""
    settings = {**published.settings(), "CODEC_POLICY": f"file:{policy}"}
    with codec_server(settings, stdout="/dev/full") as full:
        reply = ask(full, f"Bearer {token()}")
        assert reply.status_code == 500
        assert "could not be recorded" in reply.json()["detail"]
        assert "OSError" in full.log()


def test_who_may_not_is_403(server: CodecServer) -> None:
    """T6: 403 for policy, in a fixed sentence, with CORS; nothing is decoded."""
    stranger = token(payload=claims(**{EMAIL_CLAIM: "ana@example.org"}))
    for path in ("/decode", "/encode"):
        reply = ask(server, f"Bearer {stranger}", path)
        assert reply.status_code == 403
        assert reply.json()["detail"] == "Access denied by policy."
        assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert ask(server, f"Bearer {token()}", "/encode").status_code == 403
    machine = token(payload=claims(sub="machine", **{EMAIL_CLAIM: None}))
    assert ask(server, f"Bearer {machine}", "/encode").status_code == 200


def aged(lived: float, left: float) -> str:
    """A token of this age, in seconds, with so many left."""
    now = time.time()
    return token(payload=claims(iat=now - lived, exp=now + left))


# Made when they are used: a token of the leeway's length does not keep.
GOOD_FORMS: dict[str, Callable[[], str]] = {
    "typ JWT": lambda: token(header(typ="JWT")),
    "typ in lower case": lambda: token(header(typ="jwt")),
    "typ as a media type": lambda: token(header(typ="application/at+JWT")),
    "token_use access": lambda: token(payload=claims(token_use="access")),
    "Keycloak's typ": lambda: token(payload=claims(typ="Bearer")),
    "a nonce alone": lambda: token(payload=claims(nonce="n")),
    "e-mail verified as text": lambda: token(payload=claims(email_verified="true")),
    "no typ": lambda: token(header(typ=None)),
    "aud a string": lambda: token(payload=claims(aud=AUDIENCE)),
    "a second audience": lambda: token(payload=claims(aud=["x", AUDIENCE])),
    "upper-case e-mail": lambda: token(payload=claims(**{EMAIL_CLAIM: "Ana@Example.COM"})),
    "e-mail verified": lambda: token(payload=claims(email_verified=True)),
    "ended within the leeway": lambda: aged(900, -20),
    "begins within the leeway": lambda: aged(-20, 600),
    "a day long": lambda: aged(0, 24 * 3600),
}


@pytest.mark.parametrize("name", GOOD_FORMS)
def test_every_good_form_is_taken(name: str, server: CodecServer) -> None:
    assert ask(server, f"Bearer {GOOD_FORMS[name]()}").status_code == 200


def hs256_with_public_key() -> str:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    public = (
        rsa_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    parts = (json.dumps(header(alg="HS256")), json.dumps(claims()))
    signed = ".".join(b64url(part.encode()) for part in parts)
    return f"{signed}.{b64url(hmac.digest(public, signed.encode(), sha256))}"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def tampered(part: int) -> str:
    parts = token().split(".")
    flipped = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
    flipped[-3] ^= 1
    parts[part] = b64url(bytes(flipped))
    return ".".join(parts)


def doubled(member: str, value: str) -> bytes:
    return json.dumps(claims()).encode()[:-1] + f',"{member}":{value}}}'.encode()


GOOD = token()
HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")
RAW: dict[str, str | None] = {
    "nothing": None,
    "empty": "",
    "no scheme": GOOD,
    "basic": "Basic YTpi",
    "bearer alone": "Bearer",
    "two blanks": f"Bearer  {GOOD}",
    "a tab": f"Bearer\t{GOOD}",
    "two tokens": f"Bearer {GOOD}, Bearer {GOOD}",
    "a comma": f"Bearer {GOOD},",
    "quoted": f'Bearer "{GOOD}"',
    "two parts": f"Bearer {HEAD}.{PAYLOAD}",
    "four parts": f"Bearer {GOOD}.x",
    "five parts (JWE)": f"Bearer {GOOD}.x.y",
    "no signature": f"Bearer {HEAD}.{PAYLOAD}.",
    "no payload": f"Bearer {HEAD}..{SIGNATURE}",
    "no header": f"Bearer .{PAYLOAD}.{SIGNATURE}",
    "padded": f"Bearer {HEAD}.{PAYLOAD}.{SIGNATURE}==",
    "standard base64": f"Bearer {HEAD}.{PAYLOAD}.{SIGNATURE[:-1]}+",
    "a blank inside": f"Bearer {HEAD}. {PAYLOAD}.{SIGNATURE}",
    "a foreign character": f"Bearer {HEAD}!.{PAYLOAD}.{SIGNATURE}",
    "too large": f"Bearer {token(payload=claims(x='y' * 7000))}",
    "far too large": "Bearer " + "a" * 9000,
    "garbage": "Bearer a.b.c",
    "JSON": 'Bearer {"alg":"none"}',
    "another's signature": f"Bearer {token(key=rsa_key(9))}",
    "header tampered": f"Bearer {tampered(0)}",
    "payload tampered": f"Bearer {tampered(1)}",
    "signature tampered": f"Bearer {tampered(2)}",
    "signature cut": f"Bearer {GOOD[:-8]}",
    "a signature of nothing": f"Bearer {HEAD}.{PAYLOAD}.AA",
    "HS256 with the public key": f"Bearer {hs256_with_public_key()}",
    "weak key": f"Bearer {token(header(kid='weak'), key=rsa_key(2, 1024))}",
    "a key for encryption": f"Bearer {token(header(kid='encrypts'), key=rsa_key(3))}",
}
Varied = dict[str, dict[str, Any] | bytes]


def varied(make: Callable[..., dict[str, Any]], name: str, values: list[Any]) -> Varied:
    """The good header or claims with each of these values instead of its own."""
    return {
        f"{make.__name__} {name} {index} {ascii(value)[:20]}": make(**{name: value})
        for index, value in enumerate(values)
    }


ALGORITHMS = [
    "none",
    "None",
    "HS256",
    "HS512",
    "RS384",
    "RS512",
    "PS256",
    "ES256",
    "EdDSA",
    "ES512",
]
HEADERS: Varied = {
    **varied(header, "alg", [*ALGORITHMS, "rs256", "", "RS256 ", 1, True, ["RS256"], {}, None]),
    **varied(header, "kid", ["", "unknown", "key-1 ", "KEY-1", "x" * 129, "a\nb", "é", "../key-1"]),
    **varied(header, "kid", [1, True, ["key-1"], {}, None]),
    **varied(header, "typ", ["JWS", "JOSE", "id+jwt", "application/", "text/jwt", "", 1, ["JWT"]]),
    **varied(header, "crit", [["exp"], []]),
    **varied(header, "b64", [False, True]),
    **varied(header, "zip", ["DEF"]),
    **varied(header, "cty", ["JWT"]),
    **varied(header, "enc", ["A256GCM"]),
    **varied(header, "jku", ["https://evil.io/jwks"]),
    **varied(header, "x5u", ["https://evil.io/x"]),
    **varied(header, "x5c", [["AA"]]),
    **varied(header, "jwk", [jwk(rsa_key(9))]),
    **varied(header, "x", [nested(10), "y" * 1100]),
    "header an array": b"[]",
    "header null": b"null",
    "header not JSON": b"alg",
    "header empty": b"",
    "header with BOM": b"\xef\xbb\xbf" + json.dumps(header()).encode(),
    "header UTF-16": json.dumps(header()).encode("utf-16"),
    "header twice": json.dumps(header()).encode()[:-1] + b',"alg":"none"}',
    "header NaN": json.dumps(header()).encode()[:-1] + b',"x":NaN}',
}
EXPIRED = NOW - 61 - 10
CLAIMS: Varied = {
    **varied(claims, "iss", ["https://evil.io/", ISSUER[:-1], ISSUER.upper(), ISSUER + "x", ""]),
    **varied(claims, "iss", [1, [ISSUER], None]),
    **varied(claims, "aud", ["x", [], [1], {}, "", AUDIENCE + "/", AUDIENCE.upper(), [[AUDIENCE]]]),
    **varied(claims, "aud", [[AUDIENCE, 1], 1, True, None]),
    **varied(claims, "exp", [str(NOW + 900), True, [], {}, NOW + 25 * 3600, 1e300, -1, 0]),
    **varied(claims, "exp", [10**30, 10**400, None]),
    **varied(claims, "iat", [NOW + 3600, str(NOW), True, [], -1, NOW - 48 * 3600, None]),
    **varied(claims, "nbf", [NOW + 3600, str(NOW), True, []]),
    **varied(
        claims, "sub", ["", "a\nb", "\x7f", "\u202eanna", "x" * 257, 1, True, ["a"], {}, None]
    ),
    **varied(claims, "token_use", ["id", "refresh", "", 1, True, ["access"]]),
    **varied(claims, "typ", ["ID", "Refresh", "Offline", "Logout", "", 1, ["Bearer"]]),
    **varied(claims, "events", [{}, {"http://schemas.openid.net/event/backchannel-logout": {}}]),
    **varied(claims, "cnf", [{}, {"jkt": "x"}, {"x5t#S256": "x"}]),
    "nonce with at_hash": claims(nonce="n", at_hash="h"),
    **varied(claims, "x", [nested(10)]),
    "expired": claims(iat=EXPIRED - 900, exp=EXPIRED),
    "exp before iat": claims(iat=NOW, exp=NOW - 30),
    "exp infinite": json.dumps(claims()).encode()[:-1] + b',"nbf":Infinity}',
    "exp twice": doubled("exp", str(NOW + 800)),
    "iss twice": doubled("iss", f'"{ISSUER}"'),
    "sub twice": doubled("sub", '"auth0|123"'),
    "half a surrogate": json.dumps(claims()).encode()[:-1] + b',"x":"\\ud800"}',
    "claims an array": b"[]",
    "claims null": b"null",
    "claims empty": b"",
    "claims with BOM": b"\xef\xbb\xbf" + json.dumps(claims()).encode(),
    "claims UTF-16": json.dumps(claims()).encode("utf-16"),
    "claims not UTF-8": json.dumps(claims()).encode()[:-1] + b',"x":"\xff"}',
    "claims trailing": json.dumps(claims()).encode() + b"{}",
}
HOSTILE: dict[str, str | None] = {
    **RAW,
    **{name: f"Bearer {token(head)}" for name, head in HEADERS.items()},
    **{name: f"Bearer {token(payload=payload)}" for name, payload in CLAIMS.items()},
}


def test_there_are_enough() -> None:
    assert len(HOSTILE) >= 120


# Two processes must give a test one name: moments are left out.
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: re.sub(r"\b1\d{9}\b", "moment", name))
def test_a_hostile_token_is_401(name: str, server: CodecServer, published: Issuer) -> None:
    """T6: one body for every fault; T7: garbage causes no fetch; no part of it is logged."""
    fetches, before = published.fetches, len(server.log())
    reply = ask(server, HOSTILE[name])
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert reply.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A valid access token is required.",
    }
    line = server.log()[before:]
    assert reply.headers["x-request-id"] in line
    sent = (HOSTILE[name] or "").removeprefix("Bearer ").strip()
    assert not [part for part in sent.split(".") if len(part) > 8 and part in line]
    if " kid " not in name:
        assert published.fetches == fetches


def test_the_server_turned_to_nobody_but_the_issuer(
    server: CodecServer, published: Issuer, turned_to: Path
) -> None:
    """T3: whatever a token names, no address is looked up and no socket is opened for it.

    A token here names each address of its own, so this stands for itself as well.
    """
    assert ask(server, f"Bearer {token()}").status_code == 200
    for name in ("jku", "x5u"):
        pointing = token(header(**{name: "https://evil.example/jwks.json"}))
        assert ask(server, f"Bearer {pointing}").status_code == 401
    address = urlsplit(published.url)
    where = (address.hostname, address.port)
    seen = set(turned_to.read_text().splitlines())
    assert seen == {f"socket.getaddrinfo {where}", f"socket.connect ({where},)"}


EMAILS: list[Any] = [
    "ana@example.com.evil.io",
    "ana@evil.io",
    "ana@sub.example.com",
    "ana@evil@example.com",
    "\u0430na@example.com",
    "ana@ex\u0430mple.com",
    "ana@example.com\n",
    "ana @example.com",
    "\uff21\uff2e\uff21@example.com",
    "ana@example\u3002com",
    "",
    "@example.com",
    ["ana@example.com"],
    {"email": "ana@example.com"},
    1,
    True,
]


@pytest.mark.parametrize("email", EMAILS, ids=ascii)
def test_look_alikes_match_nothing(email: Any, server: CodecServer) -> None:
    """P2: `*@example.com` is none of these."""
    reply = ask(server, f"Bearer {token(payload=claims(**{EMAIL_CLAIM: email}))}")
    assert reply.status_code == 403


def test_the_id_token_grants_nothing(server: CodecServer) -> None:
    """T5."""
    reply = ask(server, None, **{"authorization-extras": token()})
    assert reply.status_code == 401


def test_two_authorization_headers_are_none(server: CodecServer) -> None:
    reply = server.client.post(
        "/decode",
        content=OURS,
        headers=[
            ("content-type", "application/json"),
            ("authorization", f"Bearer {token()}"),
            ("authorization", f"Bearer {token()}"),
        ],
    )
    assert reply.status_code == 401


def test_passthrough_gives_payloads_back_and_encodes_nothing(published: Issuer) -> None:
    """CODEC_ON_DENY: /decode alone; an encode answered with 200 never holds plaintext."""
    with codec_server({**published.settings(), "CODEC_ON_DENY": "passthrough"}) as server:
        reply = ask(server, f"Bearer {token()}")
        assert reply.status_code == 200
        assert reply.json() == json.loads(OURS)
        assert ask(server, f"Bearer {token()}", "/encode").status_code == 403
        assert ask(server, "Bearer a.b.c").status_code == 401


def test_passthrough_of_a_token_without_an_address_says_why(published: Issuer) -> None:
    """The caller sees ciphertext, and the record has the reason of its own, with the detail."""
    with codec_server({**published.settings(), "CODEC_ON_DENY": "passthrough"}) as server:
        bearer = token(payload=claims(**{EMAIL_CLAIM: None}))
        reply = ask(server, f"Bearer {bearer}")
        assert (reply.status_code, reply.json()) == (200, json.loads(OURS))
        assert ask(server, f"Bearer {bearer}", "/encode").status_code == 403
        (first, second) = (json.loads(r) for r in server.log().splitlines() if r.startswith("{"))
    assert (first["outcome"], first["reason"]) == ("passed-through", "no-email")
    assert (second["outcome"], second["reason"]) == ("refused", "no-email")
    for record in (first, second):
        assert record["detail"].startswith(f"the token has no claim {EMAIL_CLAIM}")
        assert "keys" not in record


def test_without_a_policy_nobody_is_allowed(published: Issuer) -> None:
    """P1: default deny."""
    with codec_server(published.settings()) as server:
        assert ask(server, f"Bearer {token()}").status_code == 403


def test_permissions_of_a_self_hosted_service(published: Issuer) -> None:
    settings = {**published.settings(), "CODEC_AUTHORIZER": "permissions-claim"}
    allowed = {
        ("default:read", "/decode"): 200,
        ("default:read", "/encode"): 403,
        ("default:worker", "/decode"): 200,
        ("default:worker", "/encode"): 403,
        ("default:write", "/encode"): 200,
        ("default:admin", "/encode"): 200,
        ("temporal-system:admin", "/encode"): 200,
        ("temporal-system:read", "/decode"): 200,
        ("other:admin", "/decode"): 403,
        ("default", "/decode"): 403,
        ("default:", "/decode"): 403,
        ("Default:read", "/decode"): 403,
        ("default:READ", "/decode"): 200,
        ("temporal-systemx:admin", "/decode"): 403,
    }
    with codec_server(settings) as server:
        for (permission, path), status in allowed.items():
            bearer = token(payload=claims(permissions=[permission]))
            assert ask(server, f"Bearer {bearer}", path).status_code == status, permission
        for wrong in ("default:read", {"default": "read"}, [["default:read"]], [1], None):
            bearer = token(payload=claims(permissions=wrong))
            assert ask(server, f"Bearer {bearer}").status_code == 403


def test_an_issuer_that_is_down_is_503(tmp_path: Path) -> None:
    """J3: cold, within the deadline; the answer has CORS and Retry-After."""
    with issuer(tmp_path) as away:
        away.fault = "503"
        with codec_server(away.settings()) as server:
            reply = ask(server, f"Bearer {token()}")
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "30"
            assert reply.headers["access-control-allow-origin"] == ORIGIN
            assert ask(server, "Bearer a.b.c").status_code == 401, "cheap checks come first"


@pytest.mark.parametrize("value", [False, "false", "True", 0, 1, [], {}], ids=ascii)
def test_an_address_that_is_not_verified_decides_nothing(value: Any, server: CodecServer) -> None:
    """T4: the token is valid all the same, so a grant by subject counts; the record says why."""
    bearer = token(payload=claims(email_verified=value))
    assert ask(server, f"Bearer {bearer}").status_code == 403
    assert 'detail="the e-mail address is not verified"' in server.log()
    machine = token(payload=claims(email_verified=value, sub="machine"))
    assert ask(server, f"Bearer {machine}").status_code == 200


def test_a_token_without_the_claim_is_denied_for_a_reason_of_its_own(server: CodecServer) -> None:
    """The operator sees which claim is missing, and the setting that names it."""
    bearer = token(payload=claims(**{EMAIL_CLAIM: None}))
    assert ask(server, f"Bearer {bearer}").status_code == 403
    log = server.log()
    assert (
        f'reason=no-email detail="the token has no claim {EMAIL_CLAIM}; set CODEC_EMAIL_CLAIM'
        in log
    )
