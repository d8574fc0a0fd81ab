"""OpenTelemetry's traces of the running server, as a collector receives them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from handlers.server.audit import MAX_TEXT
from tests.handlers.test_local import start
from tests.rigs.codec_server import codec_server
from tests.rigs.processes import ROOT, free_port
from tests.rigs.waiting import eventually
from tests.test_boundaries import loaded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """A receiver of OTLP over HTTP; gives its address, and the spans that have arrived."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in each.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def test_a_request_is_one_span_of_its_caller_s_trace_without_token_and_payload() -> None:
    with collector() as (address, spans):
        settings = {
            "CODEC_TRACES": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with codec_server(settings) as server:
            caller = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            secret = {**caller, "authorization": "Bearer secret", "cookie": "a=secret"}
            body = '{"payloads":[{"metadata":{"encoding":"secret=="}}]}'
            assert server.post("/decode", body, headers=secret).status_code == 200
            assert server.post(f"/{'x' * 9000}", "", headers=caller).status_code == 404
            eventually(lambda: len(spans) == 2)
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert "POST" in spans[0].name
    for span in spans:
        assert b"secret" not in span.SerializeToString()
        assert all(len(each.value.string_value) <= MAX_TEXT for each in span.attributes)


def test_a_collector_that_is_down_changes_no_answer() -> None:
    settings = {
        "CODEC_TRACES": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "10",
    }
    with codec_server(settings) as server:
        for _ in range(20):
            assert server.post("/decode", b'{"payloads":[]}').status_code == 200


def test_without_the_packages_the_start_ends_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()
    done = start({"CODEC_TRACES": "otlp", "PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert "CODEC_TRACES=otlp requires the packages of the group `traces`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["handlers.local", "handlers.decode"])
def test_nothing_of_it_is_loaded_where_it_is_off(module: str) -> None:
    assert not {each for each in loaded(module) if each.startswith("opentelemetry")}
