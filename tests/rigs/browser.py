"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

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
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser with nothing in it, which forgets everything in the end.

    While it runs, `asyncio.run` cannot be called in the same thread.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        lack("Chromium", "install Debian's chromium")
    with sync_playwright() as playwright:
        # What is bound to come is waited for; a busy machine takes its time.
        expect.set_options(timeout=30_000)
        running = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        try:
            yield running
        finally:
            running.close()
