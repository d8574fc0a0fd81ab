"""`temporal-codec doctor` against whole servers: ours, and that of the samples."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.codec.cli.doctor.doctors import doctor
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
