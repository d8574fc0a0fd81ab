"""CORS: what a browser needs before it lets the Web UI read an answer."""

from temporal_codec.cli.conformance.answers import is_refusal
from temporal_codec.cli.conformance.check import Check, Level, Skipped, expect
from temporal_codec.cli.conformance.decoding import DOCS, UI
from temporal_codec.cli.conformance.server import Server
from temporal_codec.cli.doctor.answer import Answer

FETCH = "https://fetch.spec.whatwg.org/#http-cors-protocol"
_STRANGER = "https://stranger.example"
_LONG_ENOUGH = 600


def _allows(answer: Answer, origin: str) -> None:
    allowed = answer.all("access-control-allow-origin")
    expect(allowed in ([origin], ["*"]), f"Access-Control-Allow-Origin: {allowed or 'missing'}")


def _has_headers(answer: Answer, *names: str) -> None:
    listed = answer.listed("access-control-allow-headers")
    listed |= {"content-type", "x-namespace", "authorization-extras"} if "*" in listed else set()
    missing = [name for name in names if name not in listed]
    expect(not missing, f"missing in Access-Control-Allow-Headers: {', '.join(missing)}")


def _preflight(server: Server, path: str) -> None:
    answer = server.preflight(path)
    expect(200 <= answer.status < 300, f"status {answer.status}")
    _allows(answer, server.origin)
    _has_headers(answer, "content-type", "x-namespace")


def _decode(server: Server) -> None:
    _preflight(server, "/decode")


def _encode(server: Server) -> None:
    _preflight(server, "/encode")


def _token_headers(server: Server) -> None:
    _has_headers(server.preflight(), "authorization", "authorization-extras")


def _max_age(server: Server) -> None:
    age = server.preflight().header("access-control-max-age")
    expect(age.isdecimal() and int(age[:9]) >= _LONG_ENOUGH, f"it is {age or 'missing'}")


def _answer(server: Server) -> None:
    _allows(server.post({"payloads": server.sealed("cors")}), server.origin)


def _error(server: Server) -> None:
    answer = server.post(b"{")
    if not is_refusal(answer):
        raise Skipped(f"the server answers {answer.status} to a bad body")
    _allows(answer, server.origin)


def _other_path(server: Server) -> None:
    answer = server.preflight("/download")
    expect(200 <= answer.status < 300, f"status {answer.status}")
    _allows(answer, server.origin)


def _stranger(server: Server) -> None:
    allowed = server.preflight(origin=_STRANGER).all("access-control-allow-origin")
    expect(not {_STRANGER, "*"}.intersection(allowed), "pages of any origin are allowed")


def _vary(server: Server) -> None:
    answer = server.post({"payloads": []})
    if answer.all("access-control-allow-origin") != [server.origin]:
        raise Skipped("the answer does not name the origin")
    expect("origin" in answer.listed("vary"), "there is no Vary: Origin")


CHECKS = (
    Check(30, Level.MUST, "The preflight of /decode allows the page.", FETCH, _decode, True),
    Check(31, Level.MUST, "The preflight of /encode allows the page.", FETCH, _encode, True),
    Check(32, Level.SHOULD, "A preflight allows both token headers.", UI, _token_headers, True),
    Check(
        33, Level.SHOULD, "Browsers may cache a preflight for 10 minutes.", FETCH, _max_age, True
    ),
    Check(34, Level.MUST, "The page may read a response.", DOCS, _answer, True),
    Check(35, Level.SHOULD, "The page may read an error.", FETCH, _error, True),
    Check(36, Level.SHOULD, "The page may read a 404 of /download.", UI, _other_path, True),
    Check(37, Level.SHOULD, "A page of an unknown origin is not allowed.", FETCH, _stranger, True),
    Check(38, Level.SHOULD, "A response for one origin has Vary: Origin.", FETCH, _vary, True),
)
