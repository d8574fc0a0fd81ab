"""A real browser: Debian's Chromium, driven by Playwright."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, BrowserType, expect, sync_playwright

from tests.rigs.parts import lack

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages ask for pictures and news; nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser with nothing in it, which forgets everything in the end.

    While it runs, `asyncio.run` cannot be called in the same thread.
    """
    with _chromium() as (chromium, path):
        running = chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def lenient_browser(profile: Path) -> Iterator[BrowserContext]:
    """Run a browser whose user allows third-party cookies: Chromium blocks them by default."""
    (profile / "Default").mkdir()
    allowed = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
    (profile / "Default/Preferences").write_text(json.dumps(allowed))
    with _chromium() as (chromium, path):
        running = chromium.launch_persistent_context(
            profile, executable_path=path, args=_FLAGS, ignore_https_errors=True
        )
        try:
            yield running
        finally:
            running.close()


@contextmanager
def _chromium() -> Iterator[tuple[BrowserType, str]]:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        lack("Chromium", "install Debian's chromium")
    with sync_playwright() as playwright:
        # What is bound to come is waited for; a busy machine takes its time.
        expect.set_options(timeout=30_000)
        yield playwright.chromium, found
