"""Payloads that the Python SDK's own driver puts into S3: who may read sees them all the same.

Everything secret in the workflow has the word `canary` in it.
"""

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from temporal_codec import Keyring
from temporal_codec.cli.history.file import HistoryFile
from temporal_codec.cli.history.places import State, walk
from tests.codec.cli.terminal import temporal_codec
from tests.codec.rings import key
from tests.rigs.browser import browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.processes import free_port
from tests.rigs.s3 import S3Gate, s3_gate
from tests.rigs.storing_worker import run_large
from tests.rigs.temporal import DevServer, dev_server
from tests.rigs.web_ui import ui_server, web_ui

pytestmark = pytest.mark.real("Temporal")

BUCKET = "real-storage"
TEXT = "canary-" + "0123456789abcdef" * 19200  # 300 KiB


@dataclass
class Stage:
    """A workflow that has come to its end, and who can show it."""

    server: DevServer
    codec: CodecServer
    gate: S3Gate
    ring: Path
    workflow: str
    ui_port: int

    def show(self, *more: str) -> Any:
        """The history as the CLI gives it."""
        here = ("--workflow-id", self.workflow)
        return json.loads(self.server.cli("workflow", "show", *here, "-o", "json", *more))


@pytest.fixture(scope="module")
def stage(moto: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    ring = tmp_path_factory.mktemp("ring") / "ring.json"
    ring.write_bytes(Keyring([key(1)]).to_json())
    ui_port = free_port()
    with dev_server() as server, s3_gate(moto) as gate:
        workflow = asyncio.run(run_large(server.address, moto, BUCKET, ring, TEXT))
        settings = {
            "CODEC_KEYRING": f"file:{ring}",
            "CODEC_STORAGE_BUCKETS": BUCKET,
            "CODEC_ORIGINS": f"http://127.0.0.1:{ui_port}",
            **gate.environment,
        }
        with codec_server(settings) as codec:
            yield Stage(server, codec, gate, ring, workflow, ui_port)


def test_the_service_holds_references_and_no_plaintext(stage: Stage) -> None:
    """Small arguments are sealed in it, large ones lie sealed in S3."""
    raw = json.dumps(stage.show())
    assert "canary" not in raw
    assert len(raw) < len(TEXT) / 10
    (events,) = HistoryFile.of("raw", raw.encode())
    found = [place for index, event in enumerate(events) for place in walk(event, index)]
    assert {place.state for place in found} == {State.ENCRYPTED, State.VISIBLE}
    data = stage.show()["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
    claim = json.loads(b64decode(data[0]["data"]))["claimData"]
    assert claim["key"].startswith("v0/ns/default/wt/Large/wi/large%2F%C3%A4%20")


def test_the_command_line_shows_what_lies_in_s3(stage: Stage) -> None:
    """Inputs and results, of the workflow and of its activity, through the endpoint."""
    events = stage.show("--codec-endpoint", stage.codec.url)["events"]
    found = [place.value for index, event in enumerate(events) for place in walk(event, index)]
    shown = [b64decode(each["data"]).decode() for each in found]
    activity = f"canary-activity-{len(TEXT)}-{TEXT}"
    result = f"canary-result-canary-note-{activity}"
    assert shown == [f'"{each}"' for each in (TEXT, "canary-note", TEXT, activity, result)]


def test_one_of_another_namespace_sees_nothing(stage: Stage) -> None:
    """The same references, asked for in another namespace's name."""
    raw = stage.show()["events"][0]["workflowExecutionStartedEventAttributes"]["input"]
    stage.gate.asked.clear()
    reply = stage.codec.post("/decode", json.dumps(raw), namespace="other")
    assert "canary" not in b64decode(reply.json()["payloads"][0]["data"]).decode()
    assert stage.gate.asked == []


def test_payload_get_writes_it(stage: Stage, tmp_path: Path) -> None:
    """From the very export, by the place that `history scan` tells."""
    export = tmp_path / "history.json"
    export.write_text(json.dumps(stage.show()))
    output = tmp_path / "input.json"
    place = "events[0].workflowExecutionStartedEventAttributes.input[0]"
    done = temporal_codec(
        *("payload", "get", export, "--ring", stage.ring, "--bucket", BUCKET),
        *("--at", place, "-o", output),
        environment=stage.gate.environment,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text()) == TEXT


@pytest.fixture
def chromium(stage: Stage) -> Iterator[Browser]:
    assert stage.workflow  # what runs an event loop comes first
    with browser() as running:
        yield running


@pytest.mark.real("Chromium")
def test_the_web_ui_downloads_it(stage: Stage, chromium: Browser, tmp_path: Path) -> None:
    """It asks for the reference to stay one, and has a button for what it leads to."""
    ui_server()
    settings = {"TEMPORAL_CODEC_ENDPOINT": stage.codec.url}
    with web_ui(stage.server.address, stage.ui_port, settings) as ui:
        page = chromium.new_page()
        page.goto(f"{ui}/namespaces/default/workflows/{quote(stage.workflow, safe='')}")
        expect(page.locator("body")).to_contain_text("canary-note")
        assert "canary-0123" not in page.content()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="KB").first.click()
        saved = tmp_path / "saved"
        waiting.value.save_as(saved)
        assert json.loads(saved.read_text()) == TEXT
