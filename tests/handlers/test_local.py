"""The local server as a person starts it: what it prints, refuses, and serves over https."""

import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from handlers.server.console import field
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import certificate
from tests.rigs.processes import ROOT, clean_environment, free_port, listens, running

GUARDED = {
    "CODEC_AUTH": "jwt",
    "CODEC_ISSUER": "https://issuer.example/",
    "CODEC_JWKS_URL": "https://127.0.0.1:9/jwks.json",
    "CODEC_AUDIENCES": "codec",
}


def start(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "handlers.local"],
        env=clean_environment(environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"CODEC_KEYRNG": "file:x"}, "unknown setting CODEC_KEYRNG"),
        ({"CODEC_KEYRING": "vault:x"}, "CODEC_KEYRING: a key ring's URI must be"),
        ({"ACCESS_LOG": "no"}, "ACCESS_LOG must be on or off"),
        ({"HOST": "0.0.0.0"}, "HOST beyond loopback requires CODEC_AUTH=jwt"),
        ({"TLS_CERT": "missing.pem"}, "TLS_CERT and TLS_KEY belong together"),
        ({"TLS_CERT": "missing.pem", "TLS_KEY": "missing.pem"}, "TLS_CERT"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    environ: dict[str, str], sentence: str
) -> None:
    done = start({"PORT": str(free_port()), **environ})
    assert done.returncode != 0
    assert done.stderr.startswith("codec-server: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(development_server: CodecServer) -> None:
    port = development_server.url.rpartition(":")[2]
    done = start({"PORT": port})
    assert done.returncode != 0
    assert f"port {port} of 127.0.0.1 is taken or not available" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_says_that_it_is_for_development(development_server: CodecServer) -> None:
    assert "For development only" in development_server.log()


def test_a_ring_of_one_s_own_brings_no_warning_about_its_keys(tmp_path: Path) -> None:
    (tmp_path / "ring.json").write_bytes(b'{"keys":[]}')
    with codec_server({"CODEC_KEYRING": f"file:{tmp_path}/ring.json"}) as server:
        assert "well-known keys" not in server.log()
        assert "does not require a token" in server.log(), (
            "a policy without CODEC_AUTH does nothing"
        )


def warned(settings: Mapping[str, str]) -> str:
    with codec_server(settings) as server:
        # The contract holds whatever is missing: payloads of others come back as they are.
        body = '{"payloads":[{"metadata":{"encoding":"b3du"},"data":"MQ=="}]}'
        if "CODEC_AUTH" not in settings:
            assert server.post("/decode", body).json() == json.loads(body)
        return "\n".join(x for x in server.log().splitlines() if x.startswith("WARNING: "))


def test_a_ring_that_does_not_exist_is_named_at_start(tmp_path: Path) -> None:
    uri = f"file:{tmp_path}/ring.json"
    assert warned({"CODEC_KEYRING": uri}) == f"WARNING: CODEC_KEYRING={uri}: it does not exist."


def test_a_ring_that_cannot_be_read_is_named_at_start(tmp_path: Path) -> None:
    """A folder in its place, or a text that is no ring."""
    (tmp_path / "ring.json").write_text("{}")
    for uri in (f"file:{tmp_path}", f"file:{tmp_path}/ring.json"):
        line = warned({"CODEC_KEYRING": uri})
        assert line.startswith(f"WARNING: CODEC_KEYRING={uri}: ")
        assert len(line) > len(f"WARNING: CODEC_KEYRING={uri}: ") + 5


def test_a_folder_without_rings_is_named_at_start(tmp_path: Path) -> None:
    uri = f"file:{tmp_path}/{{namespace}}.json"
    line = warned({"CODEC_KEYRING": uri})
    assert line.startswith(f"WARNING: CODEC_KEYRING={uri}: namespace default: there is no key ring")


def test_a_missing_policy_is_named_at_start(tmp_path: Path) -> None:
    lines = warned({**GUARDED, "CODEC_POLICY": f"file:{tmp_path}/policy.json"})
    assert f"CODEC_POLICY=file:{tmp_path}/policy.json: No such file or directory." in lines
    assert "CODEC_JWKS_URL=https://127.0.0.1:9/jwks.json: " in lines
    assert "CODEC_POLICY is not set" in warned(GUARDED)


def test_each_request_leaves_a_line_with_its_id(development_server: CodecServer) -> None:
    """Neither the UI nor the CLI shows why it failed: the log does, under the answer's id."""
    reply = development_server.post("/decode", b"[]")
    (line,) = [
        line
        for line in development_server.log().splitlines()
        if reply.headers["x-request-id"] in line
    ]
    assert "status=400" in line
    assert "The request must be an object." in line


def test_the_lines_can_be_left_out() -> None:
    with codec_server({"ACCESS_LOG": "off"}) as server:
        assert server.post("/decode", b"[]").status_code == 400
        assert server.post("/decode", b'{"payloads":[]}').status_code == 200
        assert "status=" not in server.log()


def test_no_value_of_a_line_can_look_like_a_field(development_server: CodecServer) -> None:
    """A namespace, a subject or an address is a stranger's text."""
    forged = "orders status=200 reason=none"
    reply = development_server.post("/decode", b"[]", namespace=forged)
    line = next(x for x in development_server.log().splitlines() if forged in x)
    assert reply.headers["x-request-id"] in line
    assert f'namespace="{forged}"' in line
    assert field("subject", 'a"b\u202e\n=') == 'subject="a\\"b\\\\u202e\\\\n="'
    assert field("subject", "auth0|123") == "subject=auth0|123"


def test_a_closed_stderr_changes_no_answer(tmp_path: Path) -> None:
    """It once left a record that said 200 for an answer with status 500."""
    port, records = free_port(), tmp_path / "records"
    command = f'exec "{sys.executable}" -m handlers.local > {records} 2>&-'
    environ = clean_environment({**GUARDED, "PORT": str(port)})
    with running(["sh", "-c", command], lambda: listens(port), environ):
        url = f"http://127.0.0.1:{port}/decode"
        headers = {"content-type": "application/json"}
        reply = httpx.post(url, content=b"{}", headers=headers, trust_env=False)
    assert reply.status_code == 401
    assert json.loads(records.read_text())["status"] == 401


def test_a_trusted_proxy_says_who_called() -> None:
    """The record takes the last address that no trusted proxy has."""
    settings = {**GUARDED, "CODEC_TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8"}
    headers = {"x-forwarded-for": "192.0.2.1, 203.0.113.9, 10.1.2.3"}
    with codec_server(settings) as server:
        assert server.post("/decode", b"{}", headers=headers).status_code == 401
        assert '"source":"203.0.113.9"' in server.log()


def test_who_called_is_not_what_a_header_says(tmp_path: Path) -> None:
    """An audit record's source is the peer of the connection, even for a peer on loopback."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"grants":[]}')
    settings = {**GUARDED, "CODEC_POLICY": f"file:{policy}"}
    with codec_server(settings) as server:
        reply = server.post("/decode", b"{}", headers={"x-forwarded-for": "203.0.113.9"})
        assert reply.status_code == 401
        assert '"source":"127.0.0.1"' in server.log()
        assert "203.0.113.9" not in server.log()


def test_a_refused_upload_gets_its_answer_before_the_body_is_read(
    development_server: CodecServer,
) -> None:
    """C4 over real HTTP: 403 although 4 MB are on their way."""
    headers = {"origin": "https://evil.io"}
    reply = development_server.post("/decode", b" " * 4_000_000, headers=headers)
    assert reply.status_code == 403


def test_a_body_over_the_limit_is_413(development_server: CodecServer) -> None:
    assert development_server.post("/decode", b" " * 4_500_001).status_code == 413
    fits = b'{"payloads":[]}'.ljust(4_500_000)
    assert development_server.post("/decode", fits).status_code == 200


def test_serves_https_with_a_certificate_of_one_s_own(tmp_path: Path) -> None:
    """The Web UI sends tokens to https only."""
    cert, private = certificate(tmp_path)
    with codec_server({"TLS_CERT": str(cert), "TLS_KEY": str(private)}) as server:
        assert server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(cert))
        reply = httpx.post(
            f"{server.url}/decode",
            content=b'{"payloads":[]}',
            headers={"content-type": "application/json"},
            verify=trusting,
            trust_env=False,
        )
        assert reply.json() == {"payloads": []}
