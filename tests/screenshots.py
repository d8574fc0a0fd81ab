"""`make screenshots`: pictures of the Web UI for the docs, with the endpoint and without."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.rigs.browser import browser
from tests.rigs.codec_server import codec_server
from tests.rigs.pages import Shop, shop, visit
from tests.rigs.processes import ROOT, free_port
from tests.rigs.web_ui import web_ui

IMAGES = ROOT / "docs" / "images"
# The page, whether it is decoded, what to wait for, and how much of it is shown, in pixels.
PICTURES = {
    "history-encrypted": ("history", False, "Workflow Task Completed", 660),
    "history-decoded": ("history", True, "packed: parcel for Ada Lovelace", 660),
    "memo-decoded": ("memo", True, "regular customer Ada Lovelace", 560),
    "schedule-decoded": ("schedule", True, "gift of the week for Ada Lovelace", 580),
}


def take(chromium: Browser, ui: str, codec: str, open_shop: Shop) -> None:
    """Take every picture."""
    for name, (page, decoded, awaited, height) in PICTURES.items():
        with visit(chromium, codec if decoded else None, height) as seen:
            seen.open(open_shop, ui, page)
            expect(seen.page.locator("body")).to_contain_text(awaited)
            seen.page.wait_for_timeout(2000)  # the rest of the page, which polls without an end
            seen.page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    """Open the shop and look at it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Path(folder), "Ada Lovelace") as open_shop,
        web_ui(open_shop.server.address, free_port(), {}) as ui,
        codec_server({"CODEC_ORIGINS": ui}) as codec,
        browser() as chromium,
    ):
        take(chromium, ui, codec.url, open_shop)


if __name__ == "__main__":
    main()
