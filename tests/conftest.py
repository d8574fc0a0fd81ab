"""Fixtures that more than one test module asks for."""

from collections.abc import Iterator

import pytest

from tests.rigs.codec_server import CodecServer, codec_server


@pytest.fixture(scope="session")
def development_server() -> Iterator[CodecServer]:
    """The Codec Server as `make run` starts it: the development ring, no token."""
    with codec_server() as server:
        yield server
