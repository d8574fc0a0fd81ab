"""`temporal-codec doctor` against whole servers: ours, and that of the samples."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from temporal_codec import Key, Keyring
from tests.codec.cli.conftest import SAMPLE_KEY
from tests.codec.cli.doctor.doctors import doctor
from tests.codec.cli.history.test_history import many, payload
from tests.codec.rings import SINCE, key, plain, sealed
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.doctor_faults import (
    GOOD_TOKEN,
)
from tests.rigs.faulty_server import (
    CLOUD,
    faulty_server,
)
from tests.rigs.issuer import certificate, claims, issuer, token
from tests.rigs.samples_server import samples_server

PAGE = "http://localhost:8233"


def test_of_our_own_server_without_tokens_all_is_well(development_server: CodecServer) -> None:
    """As `make run` starts it, and for both spellings of what the CLI asks."""
    told = doctor(development_server.url, "--origin", PAGE)
    assert (told.code, told.ids("warning", "problem")) == (0, set())
    assert "round-trip" in told.findings
    told = doctor(f"{development_server.url}/codec/{{namespace}}", "--cli", "--namespace", "a.b")
    assert (told.code, told.ids("warning", "problem")) == (0, set())


@pytest.mark.parametrize("derives", [False, True], ids=["plain", "derived"])
def test_keys_that_namespaces_share_are_found(tmp_path: Path, *, derives: bool) -> None:
    """Without access to the ring: what one namespace encrypts is decoded for another, or not."""
    ring = Keyring([Key("own", bytes(32), SINCE, derives=derives)])
    (tmp_path / "ring.json").write_bytes(ring.to_json())
    with codec_server({"CODEC_KEYRING": f"file:{tmp_path}/ring.json"}) as server:
        told = doctor(server.url, "--origin", PAGE, "--other-namespace", "billing")
    assert ("keys-apart" if derives else "keys-shared") in told.findings


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


def test_a_server_without_its_ring_is_not_said_to_work(tmp_path: Path) -> None:
    """A typo in CODEC_KEYRING: /decode returns 200 as its contract says, and opens nothing."""
    missing = {"CODEC_KEYRING": f"file:{tmp_path / 'missing.json'}"}
    with codec_server(missing) as server:
        told = doctor(server.url, "--origin", PAGE)
        assert told.ids("problem") == {"no-key-ring"}
        assert told.code == 1
    with codec_server({**missing, "CODEC_OPERATIONS": "decode"}) as server:
        told = doctor(server.url, "--origin", PAGE)
        assert told.document["decoded"] is False
        assert "plain-unchanged" in told.ids("warning")


def test_a_ring_that_cannot_be_read_is_told_without_encode(tmp_path: Path) -> None:
    """A payload that looks encrypted makes the server fetch its ring."""
    ring = tmp_path / "ring.json"
    ring.write_text("broken")
    with codec_server({"CODEC_KEYRING": f"file:{ring}", "CODEC_OPERATIONS": "decode"}) as server:
        told = doctor(server.url, "--origin", PAGE)
    assert told.ids("problem") == {"keys-unavailable"}


def test_a_file_server_is_no_codec_server() -> None:
    """`python -m http.server` answers 501; nothing else is said of it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    try:
        told = doctor(f"http://127.0.0.1:{listener.server_port}", "--origin", PAGE)
    finally:
        listener.shutdown()
        listener.server_close()
    assert told.ids("problem") == {"not-a-codec-server"}
    assert "SimpleHTTP" in told.findings["not-a-codec-server"]["message"]


def test_own_payloads_are_tried(development_server: CodecServer, tmp_path: Path) -> None:
    """A history that the ring opens is decoded; one of another key is not, and the id is named."""
    at_page = (development_server.url, "--origin", PAGE)
    history = tmp_path / "history.json"
    mine = sealed(plain(b"1"), Key("test-key-id", SAMPLE_KEY, datetime.now(UTC)))
    other = sealed(plain(b"1"), key(7))
    events = [
        {"eventId": "1", "workflowExecutionStartedEventAttributes": {"input": many(payload(each))}}
        for each in (mine, other)
    ]
    history.write_text(json.dumps({"events": events[:1]}))
    told = doctor(*at_page, "--history", history)
    assert (told.code, "own-decoded" in told.ids("ok")) == (0, True)
    history.write_text(json.dumps({"events": events}))
    told = doctor(*at_page, "--history", history)
    assert told.ids("problem") == {"own-not-decoded"}
    assert "1 of your 2 payloads encoded. Key ids: key-7 (1)." in told.said
