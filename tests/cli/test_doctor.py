"""`temporal-codec doctor`, against servers with one fault each, and against whole ones."""

import importlib
import json
import socket
import ssl
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from cli.app import app
from cli.doctor_finding import Kind
from tests.cli.terminal import temporal_codec
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.doctor_faults import (
    ALL_HEADERS,
    CASES,
    CREDENTIALS,
    GOOD_TOKEN,
    Case,
    endless,
    on,
    raw,
)
from tests.rigs.faulty_server import (
    CLOUD,
    Reply,
    Request,
    Server,
    cut_off,
    faulty_server,
    good,
    samples_server,
)
from tests.rigs.issuer import certificate, claims, issuer, token
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, free_port

PAGE = "http://localhost:8233"
ANYWHERE = ("127.0.0.1", 0)


@dataclass
class Told:
    """What the doctor said, and how it ended."""

    code: int
    said: str

    @property
    def document(self) -> Any:
        return json.loads(self.said)

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        return {each["id"]: each for each in self.document["findings"]}

    def ids(self, *severities: str) -> set[str]:
        return {name for name, each in self.findings.items() if each["severity"] in severities}


def doctor(*arguments: str | Path, given: str | None = None, typed: str = "") -> Told:
    """Run `temporal-codec doctor --json`, with a token in the environment, if one is given."""
    environment = {"TEMPORAL_CODEC_TOKEN": given} if given else {}
    words = ["doctor", "--json", *map(str, arguments)]
    result = CliRunner().invoke(app, words, input=typed, env=environment)
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    for part in (given or "").split("."):
        assert len(part) < 16 or part not in result.output
    return Told(result.exit_code, result.output)


def kinds() -> dict[str, Kind]:
    """Everything that the doctor can find."""
    names = [path.stem for path in (ROOT / "cli").glob("doctor_*.py")]
    values = [
        value for name in names for value in vars(importlib.import_module(f"cli.{name}")).values()
    ]
    values += [each for value in values if isinstance(value, dict) for each in value.values()]
    found = {value.id: value for value in values if isinstance(value, Kind)}
    assert len(found) > 60
    return found


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    # A name which no browser takes for this machine.
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "codec.test" else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@contextmanager
def serving(case: Case, folder: Path) -> Iterator[tuple[Server, list[str | Path]]]:
    """The server of a case, and how the doctor is called then."""
    cert, key = certificate(
        folder, hosts=("localhost", "codec.test"), address=case.address, days=case.days
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if case.https else None
    if tls:
        tls.load_cert_chain(cert, key)
    trust: list[str | Path] = ["--ca-file", cert] if case.trusted else []
    with faulty_server(good(case.asks), case.fault, tls) as server:
        yield server, [case.url.format(port=server.port), *trust, *case.arguments]


def examine(case: Case, folder: Path) -> Told:
    with serving(case, folder) as (_, arguments):
        return doctor(*arguments, given=case.token)


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found(name: str, tmp_path: Path) -> None:
    """By its id and its severity; a problem means status 1, and only a problem does."""
    told = examine(CASES[name], tmp_path)
    assert name in told.findings, told.said
    assert told.findings[name]["severity"] == kinds()[name].severity
    problems = told.ids("problem")
    assert told.document["works"] is not bool(problems)
    assert told.code == (1 if problems else 0)


@pytest.mark.parametrize(
    "case", [Case(), Case(token=GOOD_TOKEN, asks=GOOD_TOKEN)], ids=["open", "token"]
)
def test_a_server_without_fault_has_none(case: Case, tmp_path: Path) -> None:
    """Every finding is ok; that loopback is near is said of no server but of the person's page."""
    told = examine(case, tmp_path)
    assert told.ids("warning", "problem") == {"local-address"}
    assert told.code == 0


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fault])
def test_it_is_the_fault_that_is_found(name: str) -> None:
    """Without it, and with the same arguments, nothing is said."""
    assert name not in without_fault(replace(CASES[name], fault=None))


@cache
def without_fault(case: Case) -> set[str]:
    """What is found of a good server; most cases call the doctor in one way."""
    with tempfile.TemporaryDirectory() as folder:
        return set(examine(case, Path(folder)).findings)


def test_every_finding_is_provoked() -> None:
    """And none is but a name; those that need no HTTP server have a test of their own."""
    without_server = {"connection-refused", "unreachable", "tls-failed"}
    assert set(CASES) | without_server == set(kinds())


def test_nobody_listens() -> None:
    told = doctor(f"https://127.0.0.1:{free_port()}")
    assert told.ids("problem") == {"connection-refused"}
    assert told.code == 1


def test_a_connection_that_is_never_made() -> None:
    """A full queue takes no more: the name resolves, and nothing comes back."""
    with ExitStack() as stack:
        told = doctor(f"https://127.0.0.1:{fill(stack, ANYWHERE)}", "--timeout", "0.3")
    assert told.ids("problem") == {"unreachable"}


def test_a_handshake_that_breaks_off() -> None:
    with socket.create_server(ANYWHERE) as server, ExitStack() as stack:

        def hang_up() -> None:
            caller, _ = server.accept()
            caller.recv(1)
            caller.close()

        closer = Thread(target=hang_up)
        closer.start()
        stack.callback(closer.join)
        told = doctor(f"https://127.0.0.1:{server.getsockname()[1]}", "--timeout", "5")
    assert told.ids("problem") == {"tls-failed"}


# --- whole servers -----------------------------------------------------------------------------


def test_of_our_own_server_without_tokens_all_is_well(development_server: CodecServer) -> None:
    """As `make run` starts it, and for both spellings of what the CLI asks."""
    told = doctor(development_server.url, "--origin", PAGE)
    assert (told.code, told.ids("warning", "problem")) == (0, set())
    assert "round-trip" in told.findings
    told = doctor(f"{development_server.url}/codec/{{namespace}}", "--cli", "--namespace", "a.b")
    assert (told.code, told.ids("warning", "problem")) == (0, set())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CodecServer, Path]]:
    """Our own server, with https and tokens, and what to trust."""
    folder = tmp_path_factory.mktemp("guarded")
    cert, key = certificate(folder, days=(-1, 90))
    (folder / "issuer").mkdir()
    policy = folder / "policy.json"
    grant = {"identities": ["*@example.com"], "namespaces": ["orders"], "operations": ["decode"]}
    both = {**grant, "namespaces": ["default"], "operations": ["decode", "encode"]}
    policy.write_text(json.dumps({"grants": [grant, both]}))
    with (
        issuer(folder / "issuer") as published,
        codec_server(
            {
                **published.settings(),
                "CODEC_POLICY": f"file:{policy}",
                "CODEC_ORIGINS": CLOUD,
                "TLS_CERT": str(cert),
                "TLS_KEY": str(key),
            }
        ) as server,
    ):
        yield server, cert


def test_of_our_own_server_with_tokens_all_is_well(guarded: tuple[CodecServer, Path]) -> None:
    server, cert = guarded
    told = doctor(server.url, "--ca-file", cert, given=token())
    assert (told.code, told.ids("warning", "problem")) == (0, {"local-address"})
    assert {"token-accepted", "round-trip", "size-ok", "preflight-ok"} <= told.ids("ok")


@pytest.mark.parametrize(
    ("namespace", "given", "found"),
    [
        ("default", None, {"token-needed"}),
        ("default", token(payload=claims(iat=1_000_000, exp=1_000_900)), {"token-refused"}),
        ("payroll", token(), {"namespace-refused"}),
        ("orders", token(), set()),
    ],
    ids=["no token", "ended", "namespace", "decode only"],
)
def test_what_our_own_server_refuses_is_told(
    guarded: tuple[CodecServer, Path], namespace: str, given: str | None, found: set[str]
) -> None:
    """With the person's own means: the token's claims, the status, and what to do next."""
    server, cert = guarded
    told = doctor(server.url, "--ca-file", cert, "--namespace", namespace, given=given)
    assert told.ids("problem") == found
    assert ("token-ended" in told.findings) == (found == {"token-refused"})
    assert ("encode-refused" in told.findings) == (namespace == "orders")


def test_why_the_web_ui_cannot_use_the_samples_server(tmp_path: Path) -> None:
    """Neither as it is, from Temporal Cloud with a token; nor with TLS; nor with its own page."""
    with faulty_server(samples_server) as server:
        url = f"http://127.0.0.1:{server.port}"
        from_cloud = doctor(url, given=GOOD_TOKEN)
        assert from_cloud.ids("problem") == {"http-token", "preflight-no-origin"}
        assert CLOUD in from_cloud.findings["preflight-no-origin"]["message"]
        own_page = doctor(url, "--origin", PAGE)
        assert own_page.code == 0
        assert own_page.ids("warning") == {
            "preflight-token-headers",
            "preflight-vary",
            "preflight-max-age",
            "error-no-cors",
            "encode-preflight",
            "size-refused-no-cors",
        }
    cert, key = certificate(tmp_path, days=(-1, 90))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with faulty_server(samples_server, tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        with_token = doctor(url, "--origin", PAGE, "--ca-file", cert, given=GOOD_TOKEN)
        assert with_token.code == 1
        assert with_token.ids("problem") == {
            "preflight-authorization",
            "preflight-authorization-extras",
        }


# --- what is asked, and what is shown -----------------------------------------------------------


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
    """Within this machine it may; to any other host it is told that it must not."""
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


def test_a_slow_server_has_only_its_time(tmp_path: Path) -> None:
    """A byte in a tenth of a second would last for ten; the whole request has 0.4."""
    with serving(CASES["no-answer"], tmp_path) as (server, arguments):
        told = doctor(*arguments)
    assert told.findings["no-answer"]["message"].endswith("(it took too long).")
    assert len(server.requests) == 1


def test_a_refusal_that_comes_before_the_request_was_read() -> None:
    """The doctor reads on where it cannot write on: a 413 is what the server meant to say."""
    with faulty_server(good(), largest=1_000_000) as server:
        told = doctor(f"http://127.0.0.1:{server.port}")
    assert "size-refused" in told.findings


def test_a_large_request_that_is_cut_off(tmp_path: Path) -> None:
    """Nothing came back, but all before did: it is told of the size, and no problem."""
    case = Case(lambda q, reply: cut_off() if len(q.body) > 1_000_000 else reply)
    told = examine(case, tmp_path)
    assert "size-failed" in told.findings
    assert told.code == 0


def test_a_certificate_is_judged_as_browsers_do(tmp_path: Path) -> None:
    """Private CAs leave out what Python's strict mode wants; browsers and the CLI do not mind."""
    ca, chain = plain_chain(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    with faulty_server(good(), tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert doctor(url, "--ca-file", ca).code == 0
        assert doctor(url).ids("problem") == {"tls-unknown-ca"}


def plain_chain(folder: Path) -> tuple[Path, Path]:
    """A CA, and a certificate of its making with its key; neither has key identifiers."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("CA", "server")]
    now = datetime.now(UTC)
    ca, leaf = (
        x509.CertificateBuilder(names[0], name, public, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(extension, critical=False)
        .sign(ca_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        for name, public, extension in (
            (names[0], ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=None)),
            (
                names[1],
                key.public_key(),
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            ),
        )
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files = folder / "ca.pem", folder / "chain.pem"
    files[0].write_bytes(ca)
    files[1].write_bytes(leaf + private)
    return files


@pytest.mark.parametrize(
    ("given", "arguments", "found"),
    [
        (None, (), set()),
        (GOOD_TOKEN, (), {"preflight-authorization"}),
        (None, CREDENTIALS, {"preflight-content-type", "preflight-x-namespace"}),
    ],
    ids=["no token", "token", "credentials"],
)
def test_a_star_allows_every_header_but_one(
    tmp_path: Path, given: str | None, arguments: tuple[str, ...], found: set[str]
) -> None:
    """Not Authorization, which must be named; and with credentials it is but a name."""

    def starred(reply: Reply) -> Reply:
        return reply.but(allow_headers="*", allow_credentials="true")

    case = Case(on("OPTIONS", starred), arguments, token=given, asks=given)
    headers = {f"preflight-{name}" for name in ALL_HEADERS}
    assert examine(case, tmp_path).ids("problem") & headers == found


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"apigw_requestid": "a="}, {"message": "Forbidden"}, True),
        ({"server": "nginx/1.28"}, b"<html>413 Request Entity Too Large</html>", True),
        ({"apigw_requestid": "a="}, {"title": "Forbidden", "detail": "Not you."}, False),
        ({}, {"message": "Forbidden"}, False),
        ({"server": "uvicorn"}, b"<html>Forbidden</html>", False),
    ],
)
def test_a_gateway_s_own_answer_is_told_from_what_passes_through_it(
    tmp_path: Path, headers: dict[str, str], body: object, found: bool
) -> None:
    """By the mark that it leaves on every answer, and a body such as only it writes."""
    case = Case(on("POST", lambda reply: reply.but(403, **headers).saying(body)))
    assert ("gateway-answered" in examine(case, tmp_path).findings) is found


def test_one_address_that_is_silent_does_not_hide_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As browsers do where IPv6 leads nowhere, and IPv4 works."""
    with faulty_server(good()) as server, ExitStack() as stack:
        try:
            fill(stack, ("127.0.0.2", server.port))
        except OSError:
            lack("the address 127.0.0.2", "only Linux has it without being asked")
        both = [(2, 1, 6, "", (address, server.port)) for address in ("127.0.0.2", "127.0.0.1")]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **more: both if host == "localhost" else real(host, *rest, **more),
        )
        url = f"http://localhost:{server.port}"
        assert "connected" in doctor(url, "--cli", "--timeout", "1").findings


def fill(stack: ExitStack, address: tuple[str, int]) -> int:
    """Listen there, with a queue that is full; gives the port."""
    full = stack.enter_context(socket.create_server(address, backlog=0))
    for _ in range(4):
        caller = stack.enter_context(socket.socket())
        caller.setblocking(False)
        caller.connect_ex(full.getsockname())
    port: int = full.getsockname()[1]
    return port


def test_what_it_encodes_it_must_decode(tmp_path: Path) -> None:
    """A server that lost the key of today refuses its own work."""

    def forgetful(request: Request, reply: Reply) -> Reply:
        sealed = request.operation == "decode" and b"binary" in encodings_of(request)
        return reply.but(400) if sealed else reply

    assert examine(Case(forgetful), tmp_path).ids("problem") == {"round-trip-differs"}


def encodings_of(request: Request) -> bytes:
    payloads = request.payloads if request.body else []
    return b" ".join(b64decode(each["metadata"]["encoding"]) for each in payloads)


def test_what_is_asked_beside_decoding_may_be_cut_off(tmp_path: Path) -> None:
    """A firewall may hang up on a strange page and on an operation that there is not."""

    def cut(request: Request, reply: Reply) -> Reply:
        strange = request.headers.get("origin") != CLOUD or request.operation == "download"
        return cut_off() if strange else reply

    told = examine(Case(cut), tmp_path)
    assert told.ids("warning", "problem") == {"local-address"}


def test_people_get_sentences(tmp_path: Path) -> None:
    """An id, what is wrong, what to do next, and at the end whether it would work."""
    with serving(CASES["preflight-vary"], tmp_path) as (server, arguments):
        done = temporal_codec("doctor", *arguments)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    first = f"https://127.0.0.1:{server.port} for a page from {CLOUD}, namespace default"
    assert lines[0] == first
    at = next(n for n, line in enumerate(lines) if "preflight-vary" in line)
    assert lines[at].startswith("warning  preflight-vary: The answer differs")
    assert lines[at + 1].startswith("         Next: Add Vary: Origin")
    assert lines[-1] == "It would work. Problems: 0; warnings: 2."


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.id)
def test_every_finding_is_a_sentence_and_a_next_step(kind: Kind) -> None:
    for text in (kind.message, kind.next):
        assert text[0].isupper() or text[0] == "{"
        assert text.endswith((".", "{words}", "{fault}", "{reason}", "{url}"))


# --- the command ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize("text", ["two words", "line\nline", "\x1b[2J", "a" * 70_000])
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    with serving(Case(), tmp_path) as (server, arguments):
        assert doctor(*arguments, "--token-file", "-", typed=text).code == 2
    assert server.requests == []


def test_an_endless_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    """8 MB are read, and no more; an answer as large as that is none to so small a request."""
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for piece in endless():
            sent += len(piece)
            yield piece

    with serving(raw(counted), tmp_path) as (_, arguments):
        assert "answer-endless" in doctor(*arguments).findings
    assert sent < 40_000_000
