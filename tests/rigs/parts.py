"""Real parts that a machine may lack: left out with a reason, or a failure where required."""

import os
from typing import NoReturn

import pytest


def lack(part: str, remedy: str) -> NoReturn:
    """End this test: skipped by default, failed where REQUIRE_REAL_PARTS is set (CI)."""
    message = f"{part} is missing: {remedy}"
    if os.environ.get("REQUIRE_REAL_PARTS"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
