"""A fault for each finding of `temporal-codec doctor`, and how the doctor is then called."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from tests.rigs.faulty_server import CLOUD, Fault, Reply, Request, coded
from tests.rigs.issuer import claims, header, token

NOW = time.time()


@dataclass(frozen=True)
class Case:
    """A server's fault, if it has one, and the arguments, if these are not the usual ones."""

    fault: Fault | None = None
    arguments: tuple[str, ...] = ()
    token: str | None = None
    """What the person has; what the server asks for is `asks`."""
    codec_auth: str | None = None
    """What the person has set for the CLI."""
    asks: str | None = None
    https: bool = True
    url: str = "https://127.0.0.1:{port}"
    days: tuple[int, int] = (-1, 90)
    trusted: bool = True
    address: str = "127.0.0.1"


def on(method: str, change: Callable[[Reply], Reply], operation: str = "decode") -> Fault:
    """Change the answers to one method and operation."""

    def fault(request: Request, reply: Reply) -> Reply:
        hit = (request.method, request.operation) == (method, operation)
        return change(reply) if hit else reply

    return fault


def options(**headers: Any) -> Case:
    """Answer the preflight of /decode with other headers."""
    return Case(on("OPTIONS", lambda reply: reply.but(**headers)))


def post(operation: str = "decode", **headers: Any) -> Case:
    """Answer POST with another status or other headers."""
    return Case(on("POST", lambda reply: reply.but(**headers), operation))


def says(body: bytes | object, operation: str = "decode") -> Case:
    """Answer POST with another body."""
    return Case(on("POST", lambda reply: reply.saying(body), operation))


def payloads(change: Callable[[list[Any]], list[Any]], operation: str = "decode") -> Case:
    """Answer POST with other payloads."""

    def changed(reply: Reply) -> Reply:
        return reply.saying({"payloads": change(json.loads(reply.body)["payloads"])})

    return Case(on("POST", changed, operation))


def large(change: Callable[[Reply], Reply]) -> Case:
    """Answer large requests in another way."""
    return Case(lambda q, reply: change(reply) if len(q.body) > 1_000_000 else reply)


def raw(pieces: Callable[[], Iterator[bytes]], *arguments: str) -> Case:
    """Answer with these bytes, be they HTTP or not."""
    return Case(lambda _, reply: Reply(reply.status, raw=pieces()), arguments)


def holding(given: str, **more: Any) -> Case:
    """A token that the server takes, whatever it is."""
    return Case(token=given, asks=given, **more)


def reflecting(request: Request, reply: Reply) -> Reply:
    """Allow every caller."""
    if request.method != "OPTIONS":
        return reply
    return options_good(reply).but(allow_origin=request.headers["origin"])


def options_good(reply: Reply) -> Reply:
    """What a preflight's answer has, for every caller."""
    names = "authorization, authorization-extras, content-type, x-namespace"
    return reply.but(allow_headers=names, max_age="7200", allow_methods="POST")


def weary() -> Fault:
    """Refuse with 429 after the first requests."""
    count = iter(range(1_000_000))

    def fault(request: Request, reply: Reply) -> Reply:
        if request.method == "POST" and next(count) > 12:
            return reply.but(429)
        return reply

    return fault


def endless() -> Iterator[bytes]:
    """An answer that does not end."""
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    for _ in range(100):
        yield bytes(1_000_000)


def trickle() -> Iterator[bytes]:
    """A byte now and then: never silent, and never done."""
    yield b"HTTP/1.1 200 OK\r\nX-A: "
    for _ in range(100):
        yield b"a"
        time.sleep(0.1)


def hidden(_: Request, reply: Reply) -> Reply:
    """CORS headers with preflights, and with what went well."""
    return reply if reply.status < 400 else reply.but(allow_origin=None)


def gateway(reply: Reply) -> Reply:
    """What a gateway says where its route leads nowhere."""
    return reply.but(404, apigw_requestid="JKJaXmPLvHcESHA=").saying({"message": "Not Found"})


def instead(status: int, body: object, **marks: str) -> Case:
    """What answers POST in the server's place, with the marks that it leaves."""
    return Case(
        on("POST", lambda reply: reply.but(status, allow_origin=None, **marks).saying(body))
    )


def of_another_time(seconds: int) -> Case:
    """A clock that is wrong."""
    return post(date=formatdate(time.time() + seconds, usegmt=True))


def opening(request: Request, reply: Reply) -> Reply:
    """Decode what is encrypted."""
    if request.operation != "decode" or b"YmluYXJ5L2VuY3J5cHRlZA" not in request.body:
        return reply
    plain = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}
    return reply.saying({"payloads": [plain for _ in request.payloads]})


def without_authorization(request: Request, reply: Reply) -> Reply:
    """Answer as a server behind a gateway that drops the header."""
    return reply.but(401).saying({}) if request.method == "POST" else reply


def of_another_namespace(change: Callable[[Request], list[Any]]) -> Fault:
    """Decode for the namespace `other` too, to these payloads."""

    def fault(request: Request, reply: Reply) -> Reply:
        if request.headers.get("x-namespace") != "other":
            return reply
        return reply.but(200).saying({"payloads": change(request)})

    return fault


FILES = Path(__file__).parent / "doctor"
OWN_FILE = FILES / "own.json"
FOREIGN_FILE = FILES / "foreign.json"
PLAIN_FILE = FILES / "plain.json"
ALL_HEADERS = ["authorization", "authorization-extras", "content-type", "x-namespace"]
GOOD_TOKEN = token()
ONLY_MESSAGE = on("POST", gateway)
OTHER = ("--other-namespace", "other")
CREDENTIALS = ("--include-credentials",)
PLAIN_URL = "http://127.0.0.1:{port}"
NAMED = "https://codec.test:{port}"


def lacking(name: str) -> Case:
    """A preflight that leaves out one header."""
    rest = ", ".join(each for each in ALL_HEADERS if each != name)
    allows = on("OPTIONS", lambda reply: reply.but(allow_headers=rest))
    return Case(allows, token=GOOD_TOKEN, asks=GOOD_TOKEN)


CASES: dict[str, Case] = {
    # The URL, the name, the connection. Some have no server, or a special one: see the test.
    "endpoint-slash": Case(url="https://127.0.0.1:{port}/codec/"),
    "endpoint-operation": Case(url="https://127.0.0.1:{port}/decode"),
    "http-endpoint": Case(https=False, url="http://codec.test:{port}"),
    "http-clear": Case(
        https=False, url="http://codec.test:{port}", arguments=("--origin", "http://codec.test")
    ),
    "http-token": Case(https=False, url=PLAIN_URL, token=GOOD_TOKEN),
    "local-address": Case(),
    "unknown-host": Case(url="https://nowhere.invalid"),
    "tls-expired": Case(days=(-9, -2)),
    "tls-not-yet-valid": Case(days=(2, 9)),
    "tls-wrong-name": Case(address="192.0.2.1"),
    "tls-unknown-ca": Case(trusted=False),
    "tls-not-spoken": Case(https=False),
    "tls-ends-soon": Case(days=(-1, 5)),
    "not-a-codec-server": Case(lambda _, reply: reply.but(501, server="SimpleHTTP/0.6")),
    "no-answer": raw(trickle, "--timeout", "0.4"),
    "not-http": raw(lambda: iter([b"220 mail.example.com ready\r\n"])),
    "answer-endless": raw(endless),
    # The preflight.
    "preflight-redirect": options(status=301, location="https://elsewhere.example/"),
    "preflight-asks-token": options(status=401),
    "preflight-status": options(status=404),
    "preflight-throttled": options(status=429),
    "preflight-failed": options(status=500),
    "preflight-no-origin": options(allow_origin=None),
    "preflight-other-origin": options(allow_origin="http://localhost:8233"),
    "preflight-two-origins": options(allow_origin=[CLOUD, CLOUD]),
    "preflight-any-origin": options(allow_origin="*"),
    "preflight-any-page": Case(reflecting),
    "credentials-any-origin": Case(
        on("OPTIONS", lambda reply: reply.but(allow_origin="*", allow_credentials="true")),
        CREDENTIALS,
    ),
    "credentials-not-allowed": Case(None, CREDENTIALS),
    "preflight-methods": options(allow_methods="GET, OPTIONS"),
    "preflight-vary": options(vary=None),
    "preflight-max-age": options(max_age=None),
    "preflight-token-headers": options(allow_headers="content-type, x-namespace"),
    **{f"preflight-{name}": lacking(name) for name in ALL_HEADERS},
    # What the server answers, without a token and with one.
    "open-to-all": Case(url=NAMED),
    "token-needed": Case(asks=GOOD_TOKEN),
    "token-refused": Case(token=token(payload=claims(sub="other")), asks=GOOD_TOKEN),
    "namespace-refused": Case(None, ("--namespace", "other"), token=GOOD_TOKEN, asks=GOOD_TOKEN),
    "origin-refused": Case(None, ("--origin", "https://temporal.example.com")),
    "redirect": post(status=307, location="https://elsewhere.example/"),
    "no-decode": post(status=404),
    "request-refused": post(status=400),
    "content-type-refused": post(status=415),
    "throttled": post(status=429),
    "server-failed": post(status=502),
    "unexpected-status": post(status=204),
    "gateway-answered": Case(ONLY_MESSAGE),
    "gateway-throttled": instead(429, {"message": "Too Many Requests"}, apigw_requestid="a="),
    "gateway-failed": instead(503, {"message": "Service Unavailable"}, apigw_requestid="a="),
    "cdn-page": instead(403, b"<!DOCTYPE html><title>Just a moment...</title>", cf_ray="8a-FRA"),
    "answer-no-cors": post(allow_origin=None),
    "error-no-cors": Case(hidden),
    "clock-skew": of_another_time(-300),
    # What the token says of itself.
    "token-not-jwt": holding("opaque"),
    "token-ended": holding(token(payload=claims(iat=NOW - 4000, exp=NOW - 400))),
    "token-not-yet-valid": holding(token(payload=claims(iat=NOW + 900, exp=NOW + 1800))),
    "token-no-email": holding(token(payload={"iat": NOW, "exp": NOW + 900, "sub": "me"})),
    "token-id-token": holding(token(payload=claims(nonce="abc"))),
    "token-algorithm": holding(token(header(alg="HS256"))),
    "token-lifetime": holding(token(payload=claims(exp=NOW + 100_000))),
    "token-large": holding(token(payload=claims(groups=["g" * 9000]))),
    "token-type": holding(token(header(typ="logout+jwt"))),
    "token-email-not-verified": holding(token(payload=claims(email_verified=False))),
    "token-bound": holding(token(payload=claims(cnf={"jkt": "abc"}))),
    "token-audience": Case(token=token(payload=claims(sub="other")), asks=GOOD_TOKEN),
    "token-unseen": Case(without_authorization, token=GOOD_TOKEN, asks=GOOD_TOKEN),
    "codec-auth-scheme": Case(None, ("--cli",), codec_auth=GOOD_TOKEN, asks=GOOD_TOKEN),
    # What becomes of payloads.
    "answer-content-type": post(content_type="text/plain"),
    "answer-not-json": says(b"<html>Welcome</html>"),
    "answer-shape": says({"payloads": [{"data": "!!!!"}, {}]}),
    "answer-count": payloads(lambda all_: all_[:1]),
    "plain-changed": payloads(lambda all_: all_[::-1]),
    "encode-not-served": post("encode", status=404),
    "encode-refused": post("encode", status=403),
    "no-key-ring": post("encode", status=400),
    "keys-unavailable": post("encode", status=503),
    "own-none-encoded": Case(None, ("--payload", str(PLAIN_FILE))),
    "own-decoded": Case(opening, ("--payload", str(OWN_FILE))),
    "own-not-decoded": Case(None, ("--payload", str(OWN_FILE))),
    "own-refused": Case(
        lambda q, reply: reply.but(400) if b"YmluYXJ5L2VuY3J5cHRlZA" in q.body else reply,
        ("--payload", str(OWN_FILE)),
    ),
    "own-foreign": Case(None, ("--payload", str(FOREIGN_FILE))),
    "keys-shared": Case(of_another_namespace(coded), OTHER),
    "keys-apart": Case(of_another_namespace(lambda request: request.payloads), OTHER),
    "keys-not-compared": Case(None, OTHER),
    "encode-preflight": Case(on("OPTIONS", lambda reply: reply.but(405), "encode")),
    "encode-plain": Case(
        lambda q, reply: reply.saying(q.body) if q.operation == "encode" and q.body else reply
    ),
    "round-trip-differs": payloads(lambda all_: all_[::-1], "encode"),
    # How much it takes.
    "size-refused": large(lambda reply: reply.but(413)),
    "size-refused-no-cors": large(lambda reply: reply.but(413, allow_origin=None)),
    "size-failed": large(lambda reply: reply.but(502)),
    "burst-refused": Case(weary()),
    # What is correct.
    "connected": Case(),
    "preflight-ok": Case(),
    "open-on-this-machine": Case(),
    "token-accepted": holding(GOOD_TOKEN),
    "round-trip": Case(),
    "plain-unchanged": post("encode", status=405),
    "size-ok": Case(),
}
