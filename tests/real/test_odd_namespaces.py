"""Namespaces with odd names, on a real Temporal: each has a ring of its own, and decodes."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from temporal_codec import Keyring
from temporal_codec.namespace import place_name
from tests.codec.rings import key
from tests.rigs.browser import browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.pages import person, visit
from tests.rigs.processes import free_port
from tests.rigs.temporal import DevServer, dev_server

# The Go SDK beneath the CLI puts the name into a gRPC header, which takes ASCII alone.
NAMES = ["v1:data & more/0", ".team a+b@c", "100% = all"]


UI_PORT = free_port()
UI = f"http://127.0.0.1:{UI_PORT}"


@pytest.fixture(scope="module")
def service() -> Iterator[DevServer]:
    with dev_server(*NAMES, ui_port=UI_PORT) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodecServer]:
    folder = tmp_path_factory.mktemp("rings")
    for number, name in enumerate(NAMES):
        (folder / f"{place_name(name)}.json").write_bytes(Keyring([key(number)]).to_json())
    settings = {"CODEC_KEYRING": f"file:{folder}/{{namespace}}.json", "CODEC_ORIGINS": UI}
    with codec_server(settings) as running:
        yield running


@pytest.mark.real("Temporal")
@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)), ids=["0", "1", "2"])
def test_what_the_cli_starts_is_encrypted_and_shown(
    service: DevServer, server: CodecServer, number: int, name: str
) -> None:
    """The CLI sends the name in UTF-8; the ring is found by the form that stands for it."""
    at = ("--namespace", name)
    service.cli(
        *("workflow", "start", "--type", "T", "--task-queue", "q", "--workflow-id", "w"),
        *("--input", '"canary"', *at, "--codec-endpoint", server.url),
    )
    show = ("workflow", "show", "--workflow-id", "w", "--output", "json", *at)
    stored = service.cli(*show)
    assert "canary" not in stored
    assert "Y2FuYXJ5" not in stored
    assert "ImNhbmFyeSI=" in service.cli(*show, "--codec-endpoint", server.url)
    # Another namespace's ring does not open it.
    other = NAMES[(number + 1) % len(NAMES)]
    events = service.cli(*show)
    reply = server.post("/decode", body_of(events), headers={"x-namespace": other.encode()})  # type: ignore[dict-item]
    assert reply.headers["x-codec-undecoded"] == "1"


def body_of(events: str) -> str:
    """The input of the first event, as a request."""
    started = json.loads(events)["events"][0]["workflowExecutionStartedEventAttributes"]
    return json.dumps(started["input"])


@pytest.mark.real("Temporal")
@pytest.mark.real("Chromium")
@pytest.mark.parametrize("name", NAMES[:2], ids=["0", "1"])
def test_the_web_ui_shows_it(service: DevServer, server: CodecServer, name: str) -> None:
    """The page names the namespace as its URL does, decoded; the ring is the same."""
    service.cli(
        *("workflow", "start", "--type", "T", "--task-queue", "q", "--workflow-id", "ui"),
        *("--input", '"canary-in-the-ui"', "--namespace", name, "--codec-endpoint", server.url),
    )
    with browser() as chromium, person(chromium, server.url) as context, visit(context) as seen:
        seen.page.goto(f"{UI}/namespaces/{quote(name, safe='')}/workflows/ui")
        expect(seen.page.get_by_text("canary-in-the-ui").first).to_be_visible(timeout=20_000)
        assert seen.in_order()
