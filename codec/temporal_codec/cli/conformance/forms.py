"""Forms of requests that are valid, and those that are not."""

import json

from temporal_codec.cli.conformance.answers import contents, is_refusal, payloads, same
from temporal_codec.cli.conformance.check import Check, Level, expect
from temporal_codec.cli.conformance.decoding import DOCS, GO, UI
from temporal_codec.cli.conformance.server import Json, Server, plain, written

JSON = "https://protobuf.dev/programming-guides/json/"


def _empty(server: Server) -> None:
    payloads(server.post({"payloads": []}), 0)
    payloads(server.post({}), 0)


def _base64(server: Server) -> None:
    sent = written(({"encoding": b"json/plain"}, b'"???>>>"'))
    other = {"metadata": sent["metadata"], "data": _safe(sent["data"])}
    same(payloads(server.post({"payloads": [other]}), 1), [sent])


def _safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_").rstrip("=")


def _nulls(server: Server) -> None:
    found = payloads(server.post({"payloads": [{"metadata": None, "data": None}]}), 1)
    same(found, [{}])


def _charset(server: Server) -> None:
    headers = server.headers(Content_Type="application/json; charset=utf-8")
    body = json.dumps({"payloads": server.sealed("charset")}).encode()
    same(payloads(server.send("POST", "/decode", body, headers), 1), [written(plain("charset"))])


def _double_slash(server: Server) -> None:
    found = payloads(server.post({"payloads": server.sealed("slash")}, "//decode"), 1)
    same(found, [written(plain("slash"))])


def _refused(server: Server, *bodies: bytes) -> None:
    for body in bodies:
        answer = server.post(body)
        expect(is_refusal(answer), f"status {answer.status} for {body.decode()}")


def _no_json(server: Server) -> None:
    _refused(server, b"{", b"not JSON")


def _other_types(server: Server) -> None:
    _refused(server, b"[]", b'{"payloads":{}}', b'{"payloads":["x"]}', b'{"payloads":[{"data":1}]}')


def _no_base64(server: Server) -> None:
    _refused(server, b'{"payloads":[{"data":"!!!!"}]}')


def _get(server: Server) -> None:
    answer = server.send("GET", "/decode", b"", server.headers())
    expect(is_refusal(answer), f"status {answer.status}")


def _unknown(server: Server) -> None:
    answer = server.post({"payloads": []}, "/no-operation")
    expect(answer.status == 404, f"status {answer.status}")


def _download(server: Server) -> str:
    answer = server.post({"payloads": []}, "/download")
    expect(answer.status < 500, f"status {answer.status}")
    return f"status {answer.status}"


def _bad(server: Server) -> list[tuple[str, Json]]:
    (sealed,) = server.sealed("bad")
    metadata, data = contents(sealed)
    unknown = {**metadata, "encryption-key-id": b"no such key"}
    return [
        ("a changed byte", written((metadata, data[:-1] + bytes([data[-1] ^ 1])))),
        ("an unknown key", written((unknown, data))),
        ("too few bytes", written((metadata, data[:20]))),
    ]


def _one_bad(server: Server) -> None:
    for what, bad in _bad(server):
        before, after = server.sealed("before", "after")
        answer = server.post({"payloads": [before, bad, after]})
        if not is_refusal(answer):
            found = payloads(answer, 3)
            same(
                found, [written(plain("before")), bad, written(plain("after"))], f"{what}: payload"
            )


def _isolates(server: Server) -> str:
    told = []
    for what, bad in _bad(server):
        answer = server.post({"payloads": [*server.sealed("before"), bad]})
        told.append(f"{what}: {'the others decode' if answer.status == 200 else answer.status}")
    return "; ".join(told)


def _foreign(server: Server) -> None:
    metadata, data = contents(server.sealed("foreign")[0])
    sent = written(({**metadata, "encryption-dek": b"x" * 40}, data))
    same(payloads(server.post({"payloads": [sent]}), 1), [sent])


PROXY = "https://github.com/temporalio/temporal-proxy"
CHECKS = (
    Check(
        16, Level.MUST, "A request without payloads gets a response without payloads.", GO, _empty
    ),
    Check(17, Level.SHOULD, "URL-safe and unpadded base64 is accepted.", JSON, _base64),
    Check(18, Level.SHOULD, "null means that a member is absent.", JSON, _nulls),
    Check(19, Level.SHOULD, "The Content-Type may name a charset.", DOCS, _charset),
    Check(20, Level.SHOULD, "//decode works: an endpoint may end in a slash.", UI, _double_slash),
    Check(21, Level.MUST, "A body that is not JSON causes a 4xx.", DOCS, _no_json),
    Check(22, Level.SHOULD, "JSON of other types causes a 4xx.", JSON, _other_types),
    Check(23, Level.SHOULD, "Text that is not base64 causes a 4xx.", JSON, _no_base64),
    Check(24, Level.SHOULD, "GET /decode causes a 4xx.", DOCS, _get),
    Check(25, Level.SHOULD, "An unknown operation causes a 404.", DOCS, _unknown),
    Check(26, Level.SHOULD, "/download is served, or causes a 4xx.", UI, _download),
    Check(
        27,
        Level.MUST,
        "One bad payload causes a 4xx, or is returned with the others.",
        UI,
        _one_bad,
    ),
    Check(28, Level.OBSERVED, "The effect of one bad payload on the others.", UI, _isolates),
    Check(
        29,
        Level.SHOULD,
        "Payloads in temporal-proxy's format are returned unchanged.",
        PROXY,
        _foreign,
    ),
)
