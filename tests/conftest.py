"""Fixtures that more than one test module asks for."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.secrets_manager import Gate, environment, gate, moto_server

# A busy machine is no fault of ours.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


@pytest.fixture(scope="session")
def development_server() -> Iterator[CodecServer]:
    """The Codec Server as `make run` starts it: the development ring, no token."""
    with codec_server() as server:
        yield server


@pytest.fixture(scope="session")
def moto() -> Iterator[int]:
    """The port of a Secrets Manager that all tests share: they use secrets of their own."""
    if port := os.environ.get("MOTO_PORT"):  # of `make mutants`
        yield int(port)
        return
    with moto_server() as started:
        yield started


@pytest.fixture
def secrets(moto: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate in front of it, which this process's AWS SDK uses."""
    with gate(moto) as server:
        for name, value in environment(server).items():
            monkeypatch.setenv(name, value)
        yield server
