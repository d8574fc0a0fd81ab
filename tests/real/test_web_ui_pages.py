"""Every page of Temporal's Web UI that shows payloads, in Chromium, of two versions.

The example's order waits to be collected; its customer's name is in all that is secret.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Response, expect

from tests.rigs import pages
from tests.rigs.browser import browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.pages import PAGES, Shop, legible, person, visit
from tests.rigs.processes import free_port
from tests.rigs.web_ui import web_ui

pytestmark = [pytest.mark.real("Temporal"), pytest.mark.real("Chromium")]

JSON = ("--output", "json")
SIGNALED = "workflowExecutionSignaledEventAttributes"
ENCRYPTED = b64encode(b"binary/encrypted").decode()
SECRETS = {
    "history": ['"customer": "canary"', '"packed: parcel for canary"'],
    "compact history": ['"canary wishes for a card"', '"changed: new address'],
    "history as JSON": ["all that canary ever bought"],
    "pending activities": ["no courier for parcel to be shipped to canary", "label printed"],
    "memo": ["regular customer canary", "the credit of canary is good"],
    "schedule": ["gift of the week for canary"],
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with pages.shop(tmp_path_factory.mktemp("shop"), "canary") as open_shop:
        yield open_shop


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
def reader(chromium: Browser, codec: CodecServer) -> Iterator[BrowserContext]:
    """Somebody who has set the endpoint."""
    with person(chromium, codec.url) as context:
        yield context


@pytest.fixture(scope="module")
def stranger(chromium: Browser) -> Iterator[BrowserContext]:
    """Somebody who has not."""
    with person(chromium, None) as context:
        yield context


@pytest.fixture(scope="module")
def sealed(shop: Shop) -> re.Pattern[str]:
    """The encoding, or the first bytes of any payload that the Service has, as text."""
    schedule = shop.server.cli(
        *("schedule", "describe", "--schedule-id", shop.made["schedule"], *JSON)
    )
    data = re.findall(r'"data": "([^"]{24})', shop.history(shop.made["order"]) + schedule)
    return re.compile("|".join(re.escape(each) for each in (ENCRYPTED, *data)))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_with_the_endpoint(
    name: str, ui: str, shop: Shop, reader: BrowserContext
) -> None:
    with visit(reader) as seen:
        seen.open(shop, ui, name)
        for secret in SECRETS[name]:
            expect(seen.page.locator("body")).to_contain_text(secret)
        assert seen.asked
        assert seen.in_order()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_ciphertext_without_it(
    name: str, ui: str, shop: Shop, sealed: re.Pattern[str], stranger: BrowserContext
) -> None:
    """The newer Web UI shows data without its encoding."""
    with visit(stranger) as seen:
        seen.open(shop, ui, name)
        expect(seen.page.locator("body")).to_contain_text(sealed)
        assert "canary" not in seen.page.content()
        assert seen.asked == []


def test_the_dialog_sets_the_endpoint(
    ui: str, shop: Shop, codec: CodecServer, chromium: Browser
) -> None:
    """It stores what these tests put there themselves, and is heeded once the page is reloaded."""
    with person(chromium, None) as context, visit(context) as seen:
        seen.open(shop, ui, "memo")
        expect(seen.page.locator("body")).to_contain_text(ENCRYPTED)
        seen.choose(codec.url)
        # By keyboard: the bundled Web UI's own page covers the button.
        seen.page.get_by_role("button", name="Apply").press("Enter")
        seen.page.wait_for_function("localStorage.overrideRemoteCodecConfiguration === 'true'")
        assert seen.page.evaluate("localStorage.endpoint") == json.dumps(codec.url)
        seen.page.reload()
        expect(seen.page.locator("body")).to_contain_text("regular customer canary")
        assert seen.in_order()


def test_what_is_started_from_a_page_is_sealed(
    ui: str,
    shop: Shop,
    codec: CodecServer,
    reader: BrowserContext,
    request: pytest.FixtureRequest,
) -> None:
    """Its worker reads it; the Service has ciphertext."""
    identity = f"from-{request.node.callspec.id}"
    with visit(reader) as seen:
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
    history = shop.history(identity)
    started = json.loads(history)["events"][0]["workflowExecutionStartedEventAttributes"]
    (sealed,) = started["input"]["payloads"]
    assert sealed["metadata"]["encoding"] == ENCRYPTED
    assert b"canary" not in legible(history)


def _starts(answer: Response, identity: str) -> bool:
    asked = answer.request
    return asked.method == "POST" and asked.url.rstrip("?").endswith(f"/workflows/{identity}")


def test_a_signal_from_a_page_is_sealed(
    ui: str, shop: Shop, codec: CodecServer, reader: BrowserContext
) -> None:
    """The workflow has one wish more, which the Service cannot read."""
    before = wishes(shop, codec)
    with visit(reader) as seen:
        seen.open(shop, ui, "memo")
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
    history = shop.history(shop.made["order"])
    events = json.loads(history)["events"]
    *_, signal = filter(None, (each.get(SIGNALED) for each in events))
    (sealed,) = signal["input"]["payloads"]
    assert (signal["signalName"], sealed["metadata"]["encoding"]) == ("wish", ENCRYPTED)
    assert b"canary" not in legible(history)


def wishes(shop: Shop, codec: CodecServer) -> int:
    """How many the order has, asked as the customer."""
    answer = shop.server.cli(
        *("workflow", "query", "--workflow-id", shop.made["order"], "--type", "status"),
        *("--input", '"canary"', "--codec-endpoint", codec.url, "--output", "json"),
    )
    (said,) = json.loads(answer)["queryResult"]
    return int(said.split()[2])
