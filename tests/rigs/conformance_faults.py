"""For each check of `temporal-codec conformance` a server that fails it, and does the rest right.

The right server is ours, behind a relay that puts one fault into what goes by.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from tests.rigs.faulty_server import Answers, Fault, Json, Reply, Request

ORIGIN = "http://localhost:8233"
STRANGER = "https://stranger.example"
TOKEN = "a-token-that-is-valid"
_SAFE = str.maketrans("-_", "+/")


def relay(url: str) -> Answers:
    """Answers as the server at this URL does."""

    def answer(request: Request) -> Reply:
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "connection"}}
        with httpx.Client(trust_env=False, timeout=30) as client:
            got = client.request(
                request.method, url + request.path, content=request.body, headers=headers
            )
        dropped = {"content-length", "transfer-encoding", "connection", "date"}
        kept = {k: v for k, v in got.headers.items() if k not in dropped}
        return Reply(got.status_code, kept, got.content)

    return answer


def with_token(answers: Answers) -> Answers:
    """The same server, which demands a token."""

    def answer(request: Request) -> Reply:
        reply = answers(request)
        given = request.headers.get("authorization") == f"Bearer {TOKEN}"
        return reply if request.method == "OPTIONS" or given else reply.but(401)

    return answer


def _payloads(change: Callable[[list[Json], Request], list[Json]], operation: str = "") -> Fault:
    """Change the payloads of a 200."""

    def fault(request: Request, reply: Reply) -> Reply:
        if reply.status != 200 or request.method != "POST" or operation not in request.path:
            return reply
        return reply.saying({"payloads": change(json.loads(reply.body)["payloads"], request)})

    return fault


def _sent(request: Request) -> list[Json]:
    return list(json.loads(request.body).get("payloads", []))


def _status(number: int, when: Callable[[Request], bool]) -> Fault:
    """Answer some requests with another status."""
    return lambda request, reply: reply.but(number) if when(request) else reply


def _preflight(path: str = "", **headers: Any) -> Fault:
    """Change the headers of preflights."""

    def fault(request: Request, reply: Reply) -> Reply:
        at = request.method == "OPTIONS" and path in request.path
        return reply.but(**headers) if at else reply

    return fault


def _post(when: Callable[[Reply], bool], **headers: Any) -> Fault:
    """Change the headers of other answers."""

    def fault(request: Request, reply: Reply) -> Reply:
        return reply.but(**headers) if request.method == "POST" and when(reply) else reply

    return fault


def _body(request: Request) -> str:
    return request.body.decode(errors="replace")


def _has(*texts: str) -> Callable[[Request], bool]:
    return lambda request: any(text in _body(request) for text in texts)


def _members(request: Request, reply: Reply) -> Reply:
    if reply.status != 200 or request.method != "POST":
        return reply
    return reply.saying({**json.loads(reply.body), "note": "unknown"})


def _repeats(request: Request, reply: Reply) -> Reply:
    origin = request.headers.get("origin")
    return reply.but(allow_origin=origin) if origin == STRANGER else reply


def _swapped(payloads: list[Json], _request: Request) -> list[Json]:
    return payloads[1:] + payloads[:1]


def _is_sealed(payload: Json) -> bool:
    encoding = (payload.get("metadata") or {}).get("encoding", "")
    return b64decode(encoding.translate(_SAFE) + "==").startswith(b"binary/encrypted")


def _only_sealed(payloads: list[Json], request: Request) -> list[Json]:
    kept = [p for p, s in zip(payloads, _sent(request), strict=True) if _is_sealed(s)]
    return kept or payloads


def _emptied(payloads: list[Json], request: Request) -> list[Json]:
    """Takes base64 leniently: what it cannot read is empty."""
    return [{} if "-" in s.get("data", "") else p for p, s in _pairs(payloads, request)]


def _pairs(payloads: list[Json], request: Request) -> list[tuple[Json, Json]]:
    return list(zip(payloads, _sent(request), strict=True))


def _no_query(request: Request) -> bool:
    return "?" in request.path


def _drops_bad(payloads: list[Json], _request: Request) -> list[Json]:
    return [each for each in payloads if not _is_sealed(each)]


def _plain_only(payloads: list[Json], _request: Request) -> list[Json]:
    return [
        {"metadata": each.get("metadata", {}), "data": "eA=="} if not _is_sealed(each) else each
        for each in payloads
    ]


def _without_sizes(payloads: list[Json], _request: Request) -> list[Json]:
    return [{k: v for k, v in each.items() if k != "externalPayloads"} for each in payloads]


def _other_sample(payloads: list[Json], request: Request) -> list[Json]:
    """Knows one payload of each kind only: metadata beside the encoding is lost."""
    sent = _sent(request)
    if not any(map(_is_sealed, sent)):
        return payloads
    return [
        {
            **each,
            "metadata": {k: v for k, v in each.get("metadata", {}).items() if k == "encoding"},
        }
        for each in payloads
    ]


def _unsealed(_payloads: list[Json], request: Request) -> list[Json]:
    """Takes what it cannot encrypt for encoded."""
    return _sent(request)


def _large(request: Request) -> bool:
    return len(request.body) > 1_048_576


class _Busy:
    """Serves 20 requests with this text, and refuses the rest."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, request: Request, reply: Reply) -> Reply:
        self.seen += request.method == "POST" and len(_sent_or_none(request)) == 1
        return reply.but(429) if self.seen > 20 else reply


def _sent_or_none(request: Request) -> list[Json]:
    try:
        return _sent(request)
    except (ValueError, AttributeError):
        return []


def _many(request: Request) -> bool:
    return len(_sent_or_none(request)) > 50


def _fails_on_tokens(request: Request, reply: Reply) -> Reply:
    given = request.headers.get("authorization", "")
    return reply.but(500) if given == "Bearer a.b.c" else reply


def _takes_extras(request: Request, reply: Reply) -> Reply:
    extras = request.headers.get("authorization-extras")
    return reply.but(200) if extras == TOKEN else reply


def _foreign(payloads: list[Json], request: Request) -> list[Json]:
    return [
        {} if "encryption-dek" in s.get("metadata", {}) else p for p, s in _pairs(payloads, request)
    ]


def _from_cli(request: Request) -> bool:
    return request.method == "POST" and "origin" not in request.headers


FAULTS: dict[int, Callable[[], Fault]] = {
    1: lambda: _payloads(_unsealed, "/decode"),
    2: lambda: _payloads(_unsealed, "/encode"),
    3: lambda: _payloads(_swapped),
    4: lambda: _payloads(_plain_only, "/decode"),
    5: lambda: _payloads(_only_sealed),
    6: lambda: _status(403, _from_cli),
    7: lambda: _status(404, _no_query),
    8: lambda: _members,
    9: lambda: _status(400, _has("{}")),
    10: lambda: _status(400, _has("external_payloads")),
    11: lambda: _status(400, _has("externalPayloads")),
    12: lambda: _payloads(_without_sizes),
    13: lambda: _post(lambda _reply: True, content_type="text/plain"),
    14: lambda: _payloads(_other_sample),
    16: lambda: _status(400, _has('"payloads": []')),
    17: lambda: _payloads(_emptied),
    18: lambda: _status(400, _has("null")),
    19: lambda: (
        lambda request, reply: (
            reply.but(415) if "charset" in request.headers.get("content-type", "") else reply
        )
    ),
    20: lambda: _status(404, lambda request: "//" in request.path),
    21: lambda: _status(500, lambda request: _body(request) == "{"),
    22: lambda: _status(200, lambda request: _body(request) == "[]"),
    23: lambda: _status(200, _has("!!!!")),
    24: lambda: _status(200, lambda request: request.method == "GET"),
    25: lambda: _status(200, lambda request: "no-operation" in request.path),
    26: lambda: _status(500, lambda request: "download" in request.path),
    27: lambda: _payloads(_drops_bad, "/decode"),
    29: lambda: _payloads(_foreign),
    30: lambda: _preflight("/decode", allow_headers="content-type"),
    31: lambda: _status(405, lambda r: r.method == "OPTIONS" and r.path.endswith("/encode")),
    32: lambda: _preflight(allow_headers="content-type, x-namespace"),
    33: lambda: _preflight(max_age=None),
    34: lambda: _post(lambda reply: reply.status == 200, allow_origin=None),
    35: lambda: _post(lambda reply: reply.status != 200, allow_origin=None),
    36: lambda: _status(404, lambda r: r.method == "OPTIONS" and r.path.endswith("/download")),
    37: lambda: _repeats,
    38: lambda: _post(lambda _reply: True, vary=None),
    39: lambda: _status(413, _large),
    40: lambda: _status(413, _many),
    41: _Busy,
    43: lambda: _fails_on_tokens,
    44: lambda: _takes_extras,
}
"""By the check's number: what makes the fault, anew for each server."""


def faulty(number: int, url: str) -> tuple[Answers, Fault]:
    """The server that fails this check."""
    answers = relay(url)
    return (with_token(answers) if number in {43, 44} else answers), FAULTS[number]()


def saying_nothing(_request: Request, reply: Reply) -> Reply:
    """A server that answers everything with an empty 200."""
    return replace(reply, status=200, body=b"")
