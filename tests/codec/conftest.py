"""Fixtures of the codec's tests."""

import pytest

from tests.codec.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until a test lets time pass."""
    return FakeClock()
