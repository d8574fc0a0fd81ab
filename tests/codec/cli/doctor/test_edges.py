"""`temporal-codec doctor` where one rule meets another: chains, cuts, stars, slow servers."""

import socket
import ssl
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.codec.cli.doctor.doctors import doctor, examine, serving
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
    cut_off,
    faulty_server,
    good,
)
from tests.rigs.parts import lack


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
    """Nothing came back, but all before did: it reports the size, and no problem."""
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


@pytest.mark.parametrize(
    ("status", "headers", "body", "found"),
    [
        (500, {"apigw_requestid": "a="}, {"message": "Internal Server Error"}, "gateway-failed"),
        (502, {"server": "awselb/2.0"}, b"<html>502 Bad Gateway</html>", "gateway-failed"),
        (503, {"server": "envoy"}, b"no healthy upstream", "gateway-failed"),
        (504, {"server": "nginx"}, b"<html>504 Gateway Time-out</html>", "gateway-failed"),
        (503, {"apigw_requestid": "a="}, {"title": "Unavailable"}, "server-failed"),
        (429, {"server": "nginx"}, b"<html>429 Too Many Requests</html>", "gateway-throttled"),
        (429, {"server": "envoy"}, b"slow down", "throttled"),
        (502, {"server": "CloudFront"}, b"<HTML>The request could not be", "cdn-page"),
        (403, {"server": "AkamaiGHost"}, b"<HTML><H1>Access Denied</H1>", "cdn-page"),
        (403, {"cf_ray": "a-FRA"}, {"detail": "Not you."}, "namespace-refused"),
    ],
)
def test_who_failed_is_named(
    tmp_path: Path, status: int, headers: dict[str, str], body: object, found: str
) -> None:
    """The gateway, the CDN or the server, and nothing else beside it."""
    case = Case(on("POST", lambda reply: reply.but(status, **headers).saying(body)))
    told = examine(case, tmp_path)
    access = {"server-failed", "throttled", "namespace-refused", "cdn-page", "gateway-answered"}
    assert told.ids("problem", "warning") & {*access, "gateway-failed", "gateway-throttled"} == {
        found
    }


def test_a_connection_that_is_never_made() -> None:
    """A full queue takes no more: the name resolves, and nothing comes back."""
    with ExitStack() as stack:
        told = doctor(f"https://127.0.0.1:{fill(stack, ('127.0.0.1', 0))}", "--timeout", "0.3")
    assert told.ids("problem") == {"unreachable"}


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
