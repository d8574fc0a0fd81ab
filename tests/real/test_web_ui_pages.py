"""Every page of Temporal's Web UI that shows payloads, in Chromium, of two versions.

The example's order waits to be collected; its customer's name is in all that is secret.
"""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003

import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect

from tests.rigs.browser import browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.processes import clean_environment, free_port, running
from tests.rigs.temporal import DevServer, dev_server
from tests.rigs.web_ui import web_ui

pytestmark = [pytest.mark.real("Temporal"), pytest.mark.real("Chromium")]

JSON = ("--output", "json")
ENCRYPTED = b64encode(b"binary/encrypted").decode()
HISTORY = "/workflows/{order}/{run}/history"
# Where, which of the history's views, and what must be there to be read.
PAGES = {
    "history": (HISTORY, "All", ['"customer": "canary"', '"packed: parcel for canary"']),
    "compact history": (
        HISTORY,
        "Compact",
        ['"canary wishes for a card"', '"changed: new address'],
    ),
    "history as JSON": (HISTORY, "JSON", ["all that canary ever bought"]),
    "pending activities": (
        "/workflows/{order}/{run}/pending-activities",
        None,
        ["no courier for parcel to be shipped to canary", "label printed: parcel to be shipped"],
    ),
    "memo": (
        "/workflows/{order}/{run}/memo",
        None,
        ["regular customer canary", "the credit of canary is good"],
    ),
    "schedule": ("/schedules/{schedule}", None, ["gift of the week for canary"]),
}


@dataclass(frozen=True)
class Shop:
    """A Temporal Service with its own Web UI, and what there is to look at."""

    server: DevServer
    bundled: str
    made: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    port, ready = free_port(), tmp_path_factory.mktemp("shop") / "ready"
    with dev_server(ui_port=port) as server:
        command: list[str | Path] = [sys.executable, "-m", "tests.rigs.shop", server.address, ready]
        with running(command, ready.exists, clean_environment({})):
            yield Shop(server, f"http://127.0.0.1:{port}", json.loads(ready.read_text()))


@pytest.fixture(scope="module", params=["bundled", "newer"])
def ui(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """The address of the development server's Web UI, and of a newer one."""
    if request.param == "bundled":
        yield shop.bundled
    else:
        with web_ui(shop.server.address, free_port(), {}) as newer:
            yield newer


@pytest.fixture(scope="module")
def codec(ui: str) -> Iterator[CodecServer]:
    with codec_server({"CODEC_ORIGINS": ui}) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def sealed(shop: Shop) -> re.Pattern[str]:
    """The encoding, or the first bytes of any payload that the Service has, as text."""
    history = shop.server.cli(*("workflow", "show", "--workflow-id", shop.made["order"], *JSON))
    schedule = shop.server.cli(
        *("schedule", "describe", "--schedule-id", shop.made["schedule"], *JSON)
    )
    data = re.findall(r'"data": "([^"]{24})', history + schedule)
    return re.compile("|".join(re.escape(each) for each in (ENCRYPTED, *data)))


@dataclass
class Visit:
    """A page, what it asked of the Codec Server, and what the browser complained of."""

    page: Page
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def in_order(self) -> bool:
        """Whether every answer was 200, and the browser let the page read each."""
        answers = [asked.response() for asked in self.asked]
        return all(answer and answer.status == 200 for answer in answers) and not any(
            "CORS" in text for text in self.complaints
        )


@contextmanager
def visit(chromium: Browser, endpoint: str | None) -> Iterator[Visit]:
    """A browser that nobody has used, with this endpoint, if any, as its own setting."""
    context = chromium.new_context(viewport={"width": 1280, "height": 2000})
    try:
        if endpoint:
            context.add_init_script(
                "localStorage.overrideRemoteCodecConfiguration = 'true';"
                f"localStorage.endpoint = JSON.stringify('{endpoint}');"
            )
        seen = Visit(context.new_page())
        seen.page.on("console", lambda message: seen.complaints.append(message.text))
        seen.page.on("request", lambda asked: _keep(seen, asked))
        yield seen
    finally:
        context.close()


def _keep(seen: Visit, asked: Request) -> None:
    if asked.method == "POST" and asked.url.partition("?")[0].endswith(("/decode", "/encode")):
        seen.asked.append(asked)


def look(seen: Visit, shop: Shop, ui: str, name: str) -> list[str]:
    """Open a page of the order; gives what must be there to be read."""
    path, view, secrets = PAGES[name]
    seen.page.goto(f"{ui}/namespaces/default{path.format(**shop.made)}")
    if view:
        found = seen.page.get_by_role("button", name=view, exact=True)
        found.or_(seen.page.get_by_role("tab", name=view, exact=True)).first.click()
    return secrets


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_with_the_endpoint(
    name: str, ui: str, shop: Shop, codec: CodecServer, chromium: Browser
) -> None:
    with visit(chromium, codec.url) as seen:
        for secret in look(seen, shop, ui, name):
            expect(seen.page.locator("body")).to_contain_text(secret)
        assert seen.asked
        assert seen.in_order()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_ciphertext_without_it(
    name: str, ui: str, shop: Shop, sealed: re.Pattern[str], chromium: Browser
) -> None:
    """The newer Web UI shows data without its encoding."""
    with visit(chromium, None) as seen:
        look(seen, shop, ui, name)
        expect(seen.page.locator("body")).to_contain_text(sealed)
        assert "canary" not in seen.page.content()
        assert seen.asked == []


def test_what_is_started_from_a_page_is_sealed(
    ui: str, shop: Shop, codec: CodecServer, chromium: Browser, request: pytest.FixtureRequest
) -> None:
    """Its worker reads it; the Service has ciphertext."""
    identity = f"from-{request.node.callspec.id}"
    with visit(chromium, codec.url) as seen:
        seen.page.goto(f"{ui}/namespaces/default/workflows/start-workflow")
        seen.page.locator("#workflowId").fill(identity)
        seen.page.locator("#taskQueue").fill("orders")
        seen.page.locator("#workflowType").fill("GiftWrap")
        seen.page.locator("[contenteditable=true]").first.fill('"canary of a page"')
        with seen.page.expect_response(lambda answer: _starts(answer, identity)) as started:
            seen.page.get_by_role("button", name="Start Workflow").click()
        assert started.value.ok
        assert seen.asked[0].url.startswith(f"{codec.url}/encode")
        assert seen.in_order()
    here = ("--workflow-id", identity)
    result = shop.server.cli("workflow", "result", *here, "--codec-endpoint", codec.url)
    assert "wrapped: canary of a page" in result
    history = shop.server.cli("workflow", "show", *here, "--output", "json")
    started = json.loads(history)["events"][0]["workflowExecutionStartedEventAttributes"]
    (sealed,) = started["input"]["payloads"]
    assert sealed["metadata"]["encoding"] == ENCRYPTED
    assert "canary" not in history


def _starts(answer: Response, identity: str) -> bool:
    asked = answer.request
    return asked.method == "POST" and asked.url.rstrip("?").endswith(f"/workflows/{identity}")


def test_a_signal_from_a_page_is_sealed(
    ui: str, shop: Shop, codec: CodecServer, chromium: Browser
) -> None:
    """The workflow has one wish more, which the Service cannot read."""
    before = wishes(shop, codec)
    with visit(chromium, codec.url) as seen:
        look(seen, shop, ui, "memo")
        seen.page.get_by_label("More Actions").or_(
            seen.page.get_by_role("button", name="More Actions")
        ).first.click()
        seen.page.get_by_role("menuitem", name="Send a Signal").click()
        dialog = seen.page.get_by_role("dialog").filter(has_text="Signal name")
        dialog.locator("#signal-select").click(force=True)
        seen.page.get_by_role("option", name="wish").click()
        dialog.locator("[contenteditable=true]").fill('"canary of a page"')
        dialog.get_by_role("button", name="Submit").click()
        expect(dialog).to_be_hidden()
        assert f"{codec.url}/encode" in [each.url.partition("?")[0] for each in seen.asked]
        assert seen.in_order()
    assert wishes(shop, codec) == before + 1
    history = shop.server.cli(
        "workflow", "show", "--workflow-id", shop.made["order"], "--output", "json"
    )
    assert "canary" not in history


def wishes(shop: Shop, codec: CodecServer) -> int:
    """How many the order has, asked as the customer."""
    answer = shop.server.cli(
        *("workflow", "query", "--workflow-id", shop.made["order"], "--type", "status"),
        *("--input", '"canary"', "--codec-endpoint", codec.url, "--output", "json"),
    )
    (said,) = json.loads(answer)["queryResult"]
    return int(said.split()[2])
