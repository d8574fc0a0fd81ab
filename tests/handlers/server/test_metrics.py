"""Metrics of the local server: off by default, for Prometheus or in CloudWatch's format."""

import json
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from handlers.server.connection import MAX_CONNECTIONS
from handlers.settings.environ import SettingsError
from handlers.settings.local import local_settings
from temporal_codec.encryption import FOREIGN_FORMATS
from tests.handlers.test_local import start
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.processes import ROOT, free_port
from tests.rigs.waiting import eventually

FOREIGN = (ROOT / "tests/rigs/doctor/foreign.json").read_bytes()


def test_metrics_come_from_the_records_on_a_port_of_their_own() -> None:
    port = free_port()
    with codec_server({"CODEC_METRICS": "prometheus", "METRICS_PORT": str(port)}) as server:
        server.post("/decode", b'{"payloads":[{}]}')
        server.post("/encode", b'{"payloads":[{},{}]}')
        server.post("/decode", FOREIGN)
        server.post("/decode", b"[]", namespace="a-stranger-s-text")
        server.post("/a-stranger-s-path", b"[]")
        found = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert server.client.get("/metrics").status_code == 404
    assert 'codec_requests_total{operation="decode",outcome="answered",status="200"} 2.0' in found
    assert 'codec_requests_total{operation="none",outcome="refused",status="404"} 1.0' in found
    assert 'codec_requests_not_answered_total{reason="body"} 1.0' in found
    assert 'codec_sealed_payloads_total{key="test-key-id"} 2.0' in found
    assert 'codec_foreign_payloads_total{format="temporal-proxy"} 1.0' in found
    assert 'codec_foreign_payloads_total{format="aws-encryption-sdk"} 1.0' in found
    assert 'codec_request_duration_seconds_count{operation="decode"} 3.0' in found
    assert "stranger" not in found


def test_who_keeps_the_metrics_port_busy_keeps_nobody_out() -> None:
    """1,000 connections that sent nothing once took all open files of the server, for good."""
    port = free_port()
    settings = {"CODEC_METRICS": "prometheus", "METRICS_PORT": str(port)}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 1200), hard), hard))
    with codec_server(settings) as server, ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS + 50):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert server.post("/decode", b'{"payloads":[]}').status_code == 200
        found = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
        assert 'codec_requests_total{operation="decode"' in found.text
        assert found.headers["content-type"].startswith("text/plain")
        files = Path(f"/proc/{server.running.process.pid}/fd")
        assert len(list(files.iterdir())) < MAX_CONNECTIONS + 50
        eventually(lambda: "too many connections" in server.log())


def test_a_port_of_metrics_that_is_taken_is_named(development_server: CodecServer) -> None:
    taken = development_server.url.rpartition(":")[2]
    done = start({"CODEC_METRICS": "prometheus", "METRICS_PORT": taken, "PORT": str(free_port())})
    assert "choose another with METRICS_PORT" in done.stderr
    same = str(free_port())
    done = start({"CODEC_METRICS": "prometheus", "METRICS_PORT": same, "PORT": same})
    assert "choose another with METRICS_PORT" in done.stderr


def test_they_are_off_by_default_and_count_one_process() -> None:
    assert local_settings({}).metrics_port is None
    with pytest.raises(SettingsError, match="requires WORKERS=1"):
        local_settings({"CODEC_METRICS": "prometheus", "WORKERS": "2"})


def test_cloudwatch_s_format_is_lines_of_standard_output_that_sum_over_processes(
    tmp_path: Path,
) -> None:
    """The same metrics as on Lambda."""
    settings = {"CODEC_METRICS": "emf", "WORKERS": "2", "POWERTOOLS_SERVICE_NAME": "ours"}
    with codec_server(settings, stdout=str(tmp_path / "out")) as server:
        for _ in range(10):
            server.post("/decode", b'{"payloads":[{}]}', headers={"connection": "close"})
        server.post("/decode", FOREIGN)
        server.post("/decode", b"[]")
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    namespaces = {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in lines}
    assert ({line["service"] for line in lines}, namespaces) == ({"ours"}, {"CodecServer"})
    assert sum(sum(line.get("Requests", [])) for line in lines) == 12
    formats = {line["format"]: line["Foreign"] for line in lines if "Foreign" in line}
    assert formats == {name: [1.0] for name in sorted(FOREIGN_FORMATS)}
    assert [line["NotAnswered"] for line in lines if line.get("reason") == "body"] == [[1.0]]
