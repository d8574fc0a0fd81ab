"""A cache that cannot be refreshed says so once, with the cause (and never a secret)."""

import logging
from collections.abc import Callable
from contextlib import suppress

import pytest

from temporal_codec.errors import PolicyError
from temporal_codec.reported import reported


class Source:
    """A source that fails when a test says so."""

    fault: Exception | None = None

    def __call__(self) -> int:
        if self.fault:
            raise self.fault
        return 1


def ask(fetch: Callable[[], int]) -> None:
    with suppress(Exception):
        fetch()


def test_the_first_failure_is_told_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    fetch = reported("the policy", source)
    ask(fetch)
    source.fault = PolicyError("not JSON: line 3, column 1")
    for _ in range(3):
        ask(fetch)
    assert caplog.messages == ["the policy cannot be refreshed: not JSON: line 3, column 1"]
    source.fault = None
    ask(fetch)
    source.fault = FileNotFoundError(2, "No such file or directory", "s3cret")
    ask(fetch)
    source.fault = None
    ask(fetch)
    source.fault = RuntimeError("s3cret")
    ask(fetch)
    assert caplog.messages[1:] == [
        "the policy cannot be refreshed: No such file or directory",
        "the policy cannot be refreshed: RuntimeError",
    ]
    assert {each.levelno for each in caplog.records} == {logging.WARNING}


def test_what_it_raises_and_returns_is_the_source_s() -> None:
    source = Source()
    assert reported("x", source)() == 1
    source.fault = KeyError("x")
    with pytest.raises(KeyError):
        reported("x", source)()
