"""The example's shop on a real Temporal, and its pages in the Web UI, in Chromium."""

import json
import re
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.rigs.processes import clean_environment, free_port, running
from tests.rigs.temporal import DevServer, dev_server

HISTORY = "/workflows/{order}/{run}/history"
# Where a page is, and which of the history's views it is.
PAGES = {
    "history": (HISTORY, "All"),
    "compact history": (HISTORY, "Compact"),
    "history as JSON": (HISTORY, "JSON"),
    "pending activities": ("/workflows/{order}/{run}/pending-activities", None),
    "memo": ("/workflows/{order}/{run}/memo", None),
    "schedule": ("/schedules/{schedule}", None),
}


@dataclass(frozen=True)
class Shop:
    """A Temporal Service with its own Web UI, and what there is to look at."""

    server: DevServer
    bundled: str
    made: dict[str, str]

    def history(self, identity: str) -> str:
        """A workflow's history as the Service has it, in JSON."""
        return self.server.cli("workflow", "show", "--workflow-id", identity, "--output", "json")


def legible(history: str) -> bytes:
    """The data of all payloads, as a reader without a key sees it: JSON has it in base64."""
    return b"\n".join(map(b64decode, re.findall(r'"data": "([^"]*)"', history)))


@contextmanager
def shop(folder: Path, customer: str) -> Iterator[Shop]:
    """Open it, with one order of this customer, who is in all that is secret."""
    port, ready = free_port(), folder / "ready"
    with dev_server(ui_port=port) as server:
        module = "tests.rigs.shop"
        command: list[str | Path] = [sys.executable, "-m", module, server.address, ready, customer]
        with running(command, ready.exists, clean_environment({})):
            yield Shop(server, f"http://127.0.0.1:{port}", json.loads(ready.read_text()))


@dataclass
class Visit:
    """A page, what it asked of the Codec Server, and what the browser complained of."""

    page: Page
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, shop: Shop, ui: str, name: str) -> None:
        """Open a page of the order."""
        path, view = PAGES[name]
        self.page.goto(f"{ui}/namespaces/default{path.format(**shop.made)}")
        if view:
            found = self.page.get_by_role("button", name=view, exact=True)
            found.or_(self.page.get_by_role("tab", name=view, exact=True)).first.click()

    def choose(self, endpoint: str) -> None:
        """Enter an endpoint as people do, behind the glasses. It is not applied yet."""
        self.page.get_by_role("button", name="Configure Codec Server").click()
        fold = self.page.get_by_role("button", name="Use Cluster-level setting")
        own = self.page.get_by_text("Use my browser setting")
        expect(fold.or_(own).filter(visible=True).first).to_be_visible()
        if fold.is_visible():  # The bundled Web UI hides the choices in it.
            fold.click()
        own.filter(visible=True).first.click()
        self.page.get_by_label("Codec Server browser endpoint").fill(endpoint)

    def in_order(self) -> bool:
        """Whether every answer was 200, and the browser let the page read each."""
        answers = [asked.response() for asked in self.asked]
        return all(answer and answer.status == 200 for answer in answers) and not any(
            "CORS" in text for text in self.complaints
        )


@contextmanager
def person(chromium: Browser, endpoint: str | None) -> Iterator[BrowserContext]:
    """A browser that nobody has used, with this endpoint, if any, as its own setting."""
    with chromium.new_context() as context:
        if endpoint:
            context.add_init_script(
                "localStorage.overrideRemoteCodecConfiguration = 'true';"
                f"localStorage.endpoint = JSON.stringify('{endpoint}');"
            )
        yield context


@contextmanager
def visit(context: BrowserContext) -> Iterator[Visit]:
    """A new page of this person's, so high that nothing in it must be scrolled to."""
    with context.new_page() as page:
        page.set_viewport_size({"width": 1280, "height": 2000})
        seen = Visit(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("request", lambda asked: _keep(seen, asked))
        yield seen


def _keep(seen: Visit, asked: Request) -> None:
    if asked.method == "POST" and asked.url.partition("?")[0].endswith(("/decode", "/encode")):
        seen.asked.append(asked)
