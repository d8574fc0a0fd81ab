"""`make screenshots`: pictures of the Web UI for the docs, with the endpoint and without."""

import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, FloatRect, expect

from tests.rigs.browser import browser
from tests.rigs.codec_server import codec_server
from tests.rigs.pages import Shop, person, shop, visit
from tests.rigs.processes import ROOT, free_port
from tests.rigs.web_ui import web_ui

IMAGES = ROOT / "docs" / "images"
WHO = "Ada Lovelace"
# The page, what to wait for at its top and at its bottom, and how much of it is shown, in pixels:
# further down there are paths of this machine, and its name.
ENCRYPTED = {
    "history-encrypted": ("history", ["Python 1.", "Workflow Task Completed"], 660),
}
DECODED = {
    "history-decoded": ("history", [f'"customer": "{WHO}"', f"packed: parcel for {WHO}"], 660),
    "pending-activity-decoded": (
        "pending activities",
        ["Python 1.", f"no courier for parcel to be shipped to {WHO}", "label printed"],
        600,
    ),
    "memo-decoded": ("memo", ["Python 1.", f"regular customer {WHO}"], 560),
    "schedule-decoded": ("schedule", [f"gift of the week for {WHO}", "Upcoming Runs"], 580),
}


def take(
    context: BrowserContext,
    ui: str,
    open_shop: Shop,
    pictures: dict[str, tuple[str, list[str], int]],
) -> None:
    """Take pictures of what this person sees."""
    for name, (page, awaited, height) in pictures.items():
        with visit(context) as seen:
            seen.open(open_shop, ui, page)
            for text in awaited:
                expect(seen.page.locator("body")).to_contain_text(text)
            top = FloatRect(x=0, y=0, width=1280, height=height)
            path = IMAGES / f"{name}.png"
            seen.page.screenshot(path=path, clip=top, animations="disabled")


def take_dialog(context: BrowserContext, ui: str, open_shop: Shop) -> None:
    """Take a picture of where the endpoint is entered, which is the README's."""
    with visit(context) as seen:
        seen.open(open_shop, ui, "memo")
        seen.choose("http://127.0.0.1:8081")
        dialog = seen.page.get_by_role("dialog").filter(has_text="Codec Server", visible=True)
        dialog.screenshot(path=IMAGES / "codec-server-dialog.png", animations="disabled")


def main() -> None:
    """Open the shop and look at it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Path(folder), WHO) as open_shop,
        web_ui(open_shop.server.address, free_port(), {}) as ui,
        codec_server({"CODEC_ORIGINS": ui}) as codec,
        browser() as chromium,
        person(chromium, None) as stranger,
        person(chromium, codec.url) as reader,
    ):
        take(stranger, ui, open_shop, ENCRYPTED)
        take_dialog(stranger, ui, open_shop)
        take(reader, ui, open_shop, DECODED)


if __name__ == "__main__":
    main()
