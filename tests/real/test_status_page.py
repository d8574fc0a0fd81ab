"""The page at `/`, as a person sees it in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.rigs.browser import browser
from tests.rigs.codec_server import codec_server
from tests.rigs.processes import free_port

pytestmark = pytest.mark.real("Chromium")


def test_the_page_says_what_to_paste_and_what_is_reached(tmp_path: Path) -> None:
    """Under its own policy, without an error in the console; also with CORS for this page."""
    with codec_server() as server, browser() as chromium:
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        expect(page.locator("#reached")).to_have_text("This browser reaches the server.")
        expect(page.locator("#ready")).to_have_text("The server is ready.")
        expect(page.locator("#cors")).to_contain_text(f"pages of {server.url} may not call it")
        expect(page.locator("#endpoint")).to_have_text(server.url)
        page.get_by_role("button", name="Copy").nth(1).click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith(f"--codec-endpoint {server.url}")
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        assert (tmp_path / "page.png").stat().st_size > 10_000
        assert errors == []


def test_an_origin_that_is_allowed_is_told_so() -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = {"PORT": str(port), "CODEC_ORIGINS": origin, "CODEC_KEYRING": "file:missing.json"}
    with codec_server(settings) as server, browser() as chromium:
        page = chromium.new_page()
        page.goto(origin)
        expect(page.locator("#cors")).to_have_text(f"CORS: pages of {origin} may call it.")
        expect(page.locator("#ready")).to_contain_text("It lacks: keyring.")
        assert "WARNING: CODEC_KEYRING=file:missing.json" in server.log()
