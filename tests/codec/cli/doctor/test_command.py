"""`temporal-codec doctor` as a command: what it asks, takes and shows."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from temporal_codec.cli.app import app
from tests.codec.cli.doctor.doctors import doctor, examine, serving
from tests.codec.cli.terminal import temporal_codec
from tests.rigs.doctor_faults import (
    ALL_HEADERS,
    CASES,
    GOOD_TOKEN,
    Case,
    on,
)
from tests.rigs.faulty_server import (
    CLOUD,
    Reply,
    Request,
    faulty_server,
    good,
)

pytestmark = pytest.mark.usefixtures("names")


def test_the_web_ui_s_requests_are_those_that_are_made(tmp_path: Path) -> None:
    """Path with prefix, query, headers; a preflight asks for them in the browser's order."""
    case = Case(
        token=GOOD_TOKEN, asks=GOOD_TOKEN, url="https://127.0.0.1:{port}/codec/{{namespace}}"
    )
    with serving(case, tmp_path) as (server, arguments):
        assert doctor(*arguments, given=GOOD_TOKEN).code == 0
    preflight = next(each for each in server.requests if each.method == "OPTIONS")
    assert preflight.path == "/codec/default/decode?preserveStorageRefs=true"
    asked = preflight.headers["access-control-request-headers"]
    assert asked == ",".join(ALL_HEADERS)
    assert "authorization" not in preflight.headers
    post = [each for each in server.requests if each.method == "POST"][1]
    assert post.path == preflight.path
    assert post.headers["authorization"] == f"Bearer {GOOD_TOKEN}"
    assert post.headers["origin"] == CLOUD
    assert post.headers["x-namespace"] == "default"


def test_the_cli_s_requests_have_no_page(tmp_path: Path) -> None:
    """No preflight, no origin, no query; and a server without CORS is good enough."""

    def bare(_: Request, reply: Reply) -> Reply:
        return reply.but(allow_origin=None)

    with serving(Case(bare, ("--cli",)), tmp_path) as (server, arguments):
        assert doctor(*arguments).ids("warning", "problem") == set()
    assert {each.method for each in server.requests} == {"POST"}
    assert {each.path for each in server.requests} == {"/decode", "/encode"}
    assert not any("origin" in each.headers for each in server.requests)


def test_no_token_goes_out_in_the_clear() -> None:
    """Within this machine it may; to any other host it is refused."""
    with faulty_server(good()) as server:
        told = doctor(f"http://codec.test:{server.port}", given=GOOD_TOKEN)
        assert "http-token" in told.ids("problem")
        assert not any("authorization" in each.headers for each in server.requests)
        assert doctor(f"http://127.0.0.1:{server.port}", "--cli", given=GOOD_TOKEN).code == 0
        assert any("authorization" in each.headers for each in server.requests)


def test_no_redirect_is_followed(tmp_path: Path) -> None:
    with faulty_server(good()) as elsewhere:
        to = {"location": f"http://127.0.0.1:{elsewhere.port}/"}
        case = Case(lambda _, reply: reply.but(307, **to), token=GOOD_TOKEN, asks=GOOD_TOKEN)
        assert {"redirect", "preflight-redirect"} <= examine(case, tmp_path).ids("problem")
        assert elsewhere.requests == []


@pytest.mark.parametrize(("status", "found"), [(401, "token-refused"), (307, "redirect")])
def test_a_server_that_repeats_the_token_does_not_get_it_shown(
    tmp_path: Path, status: int, found: str
) -> None:
    """In a header, in a body, as a whole or in parts: `doctor()` above looks at every output."""

    def echo(request: Request, reply: Reply) -> Reply:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            return reply
        said = f"You sent {given}, that is {given.split('.')[1]}"
        return reply.but(status, location=said).saying({"detail": said})

    told = examine(Case(echo, token=GOOD_TOKEN, asks="other"), tmp_path)
    assert "You sent ..., that is ..." in told.findings[found]["message"]


def test_control_characters_are_not_printed(tmp_path: Path) -> None:
    """A server's words may not move the cursor, nor turn the line around."""
    hostile = "\x1b[2J\x07\x9b31m\u202eevil" + "x" * 5000
    case = Case(on("POST", lambda reply: reply.but(400).saying({"detail": hostile})))
    with serving(case, tmp_path) as (_, arguments):
        words = ["doctor", *map(str, arguments)]
        said = CliRunner().invoke(app, words).output
    assert "It says" in said
    assert "evil" in said
    assert not [each for each in said if not each.isprintable() and each != "\n"]
    assert max(map(len, said.splitlines())) < 500


def test_people_get_sentences(tmp_path: Path) -> None:
    """An id, what is wrong, what to do next, and at the end whether decoding works."""
    with serving(CASES["preflight-vary"], tmp_path) as (server, arguments):
        done = temporal_codec("doctor", *arguments)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    first = f"https://127.0.0.1:{server.port} for a page from {CLOUD}, namespace default"
    assert lines[0] == first
    at = next(n for n, line in enumerate(lines) if "preflight-vary" in line)
    assert lines[at].startswith("warning  preflight-vary: The response differs")
    assert lines[at + 1].startswith("         Next: Add Vary: Origin")
    assert lines[-1] == "Decoding works. Problems: 0; warnings: 2."


@pytest.mark.parametrize(("color", "colored"), [("", True), ("1", False)])
def test_no_color_is_honored(tmp_path: Path, color: str, colored: bool) -> None:
    """On a terminal the severity is colored, unless NO_COLOR is set."""
    with serving(Case(), tmp_path) as (_, arguments):
        words = ["doctor", *map(str, arguments)]
        said = CliRunner().invoke(app, words, color=True, env={"NO_COLOR": color}).output
    assert ("\x1b[" in said) is colored
    assert "Decoding works." in said


def test_key_ids_of_payloads_that_stay_encoded_are_named(tmp_path: Path) -> None:
    """With their number; an id that may be the key itself is shown as a fingerprint."""
    told = examine(CASES["own-not-decoded"], tmp_path)
    said = told.findings["own-not-decoded"]["message"]
    assert "2 of your 2 payloads" in said
    assert "prod key 3 (1)" in said
    assert "sha256:" in said
    assert "0123456789abcdef" not in told.said


def test_the_cli_sends_its_variable_as_it_is(tmp_path: Path) -> None:
    """Without `Bearer ` the server rejects it, and the doctor says why."""
    with serving(Case(asks=GOOD_TOKEN), tmp_path) as (server, arguments):
        told = doctor(*arguments, "--cli", for_cli=GOOD_TOKEN)
        assert told.ids("problem") == {"token-refused"}
        assert "codec-auth-scheme" in told.findings
        sent = [each.headers.get("authorization") for each in server.requests]
        assert GOOD_TOKEN in sent
        told = doctor(*arguments, "--cli", for_cli=f"Bearer {GOOD_TOKEN}")
        assert "token-accepted" in told.findings
        assert "codec-auth-scheme" not in told.findings


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--payload", "nonsense"),
        ("--history", '{"events":[]}'),
        ("--payload", '{"metadata":{"encoding":"!!!!"}}'),
    ],
)
def test_a_file_that_has_no_payload_is_wrong_usage(tmp_path: Path, option: str, text: str) -> None:
    """Before anything is sent."""
    file = tmp_path / "file.json"
    file.write_text(text)
    with serving(Case(), tmp_path) as (server, arguments):
        told = doctor(*arguments, option, file)
    assert told.code == 2
    assert option in told.said
    assert server.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-url"],
        ["ftp://codec.example.com"],
        ["https://"],
        ["https://codec.example.com:99999"],
        ["https://me:canary@codec.example.com"],
        ["https://codec.example.com?x=1"],
        ["https://codec.example.com/\r\nX: y"],
        ["https://" + "a" * 100 + ".example"],
        ["https://codec.example.com", "canary"],
        ["https://codec.example.com", "--token", "canary"],
        ["https://codec.example.com", "--origin", "https://cloud.temporal.io/"],
        ["https://codec.example.com", "--namespace", "a\r\nb"],
        ["https://codec.example.com", "--token-file", "missing"],
        ["https://codec.example.com", "--token-file", "-"],
        ["https://codec.example.com", "--ca-file", "missing"],
        ["https://codec.example.com", "--timeout", "0"],
        [],
    ],
    ids=str,
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    """Before anything is sent; what may be a secret is not shown."""
    told = doctor(*arguments)
    assert told.code == 2
    assert "canary" not in told.said


@pytest.mark.parametrize("spelling", ["{}", "Bearer {}", "{}\n"])
def test_a_token_comes_from_a_file_a_pipe_or_the_environment(tmp_path: Path, spelling: str) -> None:
    """With or without the scheme, as people copy it."""
    text = spelling.format(GOOD_TOKEN)
    file = tmp_path / "token"
    file.write_text(text)
    with serving(Case(asks=GOOD_TOKEN), tmp_path) as (_, arguments):
        for told in (
            doctor(*arguments, "--token-file", file),
            doctor(*arguments, "--token-file", "-", typed=text),
            doctor(*arguments, given=text),
        ):
            assert "token-accepted" in told.findings


@pytest.mark.parametrize(
    "text", ["two words", "line\nline", "\x1b[2J", "a" * 70_000, '"a.b.c"', "a\xa0b"]
)
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    with serving(Case(), tmp_path) as (server, arguments):
        assert doctor(*arguments, "--token-file", "-", typed=text).code == 2
    assert server.requests == []
