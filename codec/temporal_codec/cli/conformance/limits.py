"""Limits, and tokens told apart."""

from concurrent.futures import ThreadPoolExecutor

from temporal_codec.cli.conformance.answers import payloads, same
from temporal_codec.cli.conformance.check import Check, Level, Skipped, expect
from temporal_codec.cli.conformance.decoding import DOCS, UI
from temporal_codec.cli.conformance.server import Server, plain, written
from temporal_codec.cli.doctor.answer import Answer

LIMITS = "https://docs.temporal.io/cloud/limits"
BEARER = "https://www.rfc-editor.org/rfc/rfc6750#section-3.1"
# Temporal takes payloads of 2 MiB by default; JSON, metadata and encryption are on top of the text.
_LARGE = 2 * 1024 * 1024 - 1_000
_MANY = 100
_BURST = 30
_AT_ONCE = 10
_PATIENCE = 3


def _large(server: Server) -> None:
    text = "x" * _LARGE
    answer = server.post({"payloads": server.sealed(text)}, patience=_PATIENCE)
    same(payloads(answer, 1), [written(plain(text))])


def _many(server: Server) -> None:
    texts = [str(number) for number in range(_MANY)]
    found = payloads(server.post({"payloads": server.sealed(*texts)}, patience=_PATIENCE), _MANY)
    same(found, [written(plain(text)) for text in texts])


def _burst(server: Server) -> None:
    body = {"payloads": server.sealed("burst")}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(lambda _: server.post(body, patience=_PATIENCE), range(_BURST)))
    refused = sum(answer.status != 200 for answer in answers)
    expect(not refused, f"{refused} of {_BURST} requests failed")


def _with(server: Server, authorization: str | None, extras: str | None = None) -> Answer:
    headers = server.headers(Authorization=authorization, Authorization_Extras=extras)
    return server.send("POST", "/decode", b'{"payloads":[]}', headers)


def _demands(server: Server) -> None:
    if _with(server, None).status == 200:
        raise Skipped("the server does not require a token")


def _whether(server: Server) -> str:
    return f"status {_with(server, None).status} without a token"


def _garbage(server: Server) -> None:
    _demands(server)
    for each in (None, "Bearer x", "Bearer a.b.c", "Basic eDp5", "Bearer"):
        status = _with(server, each).status
        expect(status in {401, 403}, f"status {status} for {each or 'no token'}")


def _extras(server: Server) -> None:
    _demands(server)
    if not server.token:
        raise Skipped("it needs a token")
    status = _with(server, None, server.token).status
    expect(status in {401, 403}, f"status {status}: Authorization-Extras was enough")


CHECKS = (
    Check(39, Level.MUST, "The largest payload of Temporal, 2 MiB, is decoded.", LIMITS, _large),
    Check(40, Level.MUST, f"A request may have {_MANY} payloads.", DOCS, _many),
    Check(41, Level.SHOULD, f"A page's burst of {_BURST} requests is served.", UI, _burst),
    Check(42, Level.OBSERVED, "Whether a token is required.", DOCS, _whether),
    Check(43, Level.MUST, "A missing or invalid token causes a 401 or 403.", BEARER, _garbage),
    Check(44, Level.SHOULD, "The ID token is not accepted as the access token.", UI, _extras),
)
