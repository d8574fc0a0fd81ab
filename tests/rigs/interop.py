"""The ring readers of `examples` in other languages, as the programs of tests/interop use them."""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from google.protobuf.json_format import (  # noqa: TID251 — it is not ours, which is the point
    MessageToDict,
    ParseDict,
)
from temporalio.api.common.v1 import Payloads

from temporal_codec.errors import CodecError, PayloadError
from temporal_codec.keys.sources import open_source
from temporal_codec.temporal import EncryptionCodec
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, Running, clean_environment, running
from tests.rigs.sam import make
from tests.rigs.temporal import DevServer

INTEROP = ROOT / ".tools/interop"
_TOOLS = {"go": ["go"], "typescript": ["node", "npm"], "java": ["java", "javac", "mvn"]}
LANGUAGES = tuple(_TOOLS)
Json = dict[str, Any]


@cache
def built(language: str) -> Path:
    """The folder of what is made from `tests/interop/LANGUAGE`."""
    for tool in _TOOLS[language]:
        if shutil.which(tool) is None:
            lack(tool, f"it builds tests/interop/{language}")
    make(f"interop-{language}")
    return INTEROP / language


@cache
def _ruby() -> list[str]:
    # Not everywhere where the rest is required: Ruby's reader says so in its README.
    found = (
        subprocess.run(
            ["ruby", "-e", 'require "google/protobuf"'], capture_output=True, check=False
        )
        if shutil.which("ruby")
        else None
    )
    if found is None or found.returncode:
        pytest.skip("Ruby with google-protobuf is missing")
    folder = ROOT / "tests/interop/ruby"
    return ["ruby", "-I", str(folder), str(folder / "ring.rb")]


def _program(language: str) -> list[str]:
    if language == "ruby":
        return _ruby()
    folder = built(language)
    return {
        "go": [f"{folder}/ring"],
        "typescript": ["node", f"{folder}/lib/ring.js"],
        "java": ["java", "-cp", f"{folder}/classes:{folder}/libraries/*", "interop.Ring"],
    }[language]


class Reader(Protocol):
    """A codec with a ring, and a clock that can be set forward."""

    def encode(self, payloads: Json) -> Json:
        """Encrypt; gives payloads, or `{"fault": "transient" or "permanent"}`."""

    def decode(self, payloads: Json) -> Json:
        """Decrypt; gives payloads, or a fault."""

    def advance(self, seconds: float) -> None:
        """Set the clock forward."""


class _Program:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def encode(self, payloads: Json) -> Json:
        return self._ask({"encode": payloads})

    def decode(self, payloads: Json) -> Json:
        return self._ask({"decode": payloads})

    def advance(self, seconds: float) -> None:
        self._ask({"advance": seconds})

    def _ask(self, request: Json) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the program ended: {self._process.poll()}")
        answer: Json = json.loads(line)
        return answer


class _Python:
    """The codec that the plugin uses."""

    def __init__(self, uri: str, namespace: str) -> None:
        self._ahead = 0.0
        clock = SimpleNamespace(time=lambda: time.time() + self._ahead, monotonic=time.monotonic)
        source = open_source(uri, clock)
        self._codec = EncryptionCodec(source.keys(namespace))
        asyncio.run(self._codec.fetch_keys())

    def encode(self, payloads: Json) -> Json:
        return self._ask(payloads, "encode")

    def decode(self, payloads: Json) -> Json:
        return self._ask(payloads, "decode")

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def _ask(self, payloads: Json, operation: str) -> Json:
        sent = ParseDict(payloads, Payloads()).payloads
        try:
            changed = asyncio.run(getattr(self._codec, operation)(sent))
        except CodecError as error:
            permanent = isinstance(error, PayloadError)
            return {"fault": "permanent" if permanent else "transient", "message": str(error)}
        return MessageToDict(Payloads(payloads=changed))


@contextmanager
def reader(
    language: str, uri: str, namespace: str = "default", settings: Mapping[str, str] | None = None
) -> Iterator[Reader]:
    """Open a ring with the reader of a language; `python` is the codec of the plugin."""
    if language == "python":
        yield _Python(uri, namespace)
        return
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*_program(language), "lines", uri, namespace],
            env=clean_environment(settings or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield _Program(process)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read()}") from None
        finally:
            process.kill()
            process.communicate()


@contextmanager
def ring_worker(
    language: str,
    server: DevServer,
    queue: str,
    uri: str,
    settings: Mapping[str, str] | None = None,
    *,
    speed: int = 1,
) -> Iterator[Running]:
    """Run a worker with this ring, whose clock is `speed` times as fast."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        more = [uri, server.address, queue, str(ready), str(speed)]
        command = [*_program(language), "work", *more]
        with running(command, ready.exists, clean_environment(settings or {})) as process:
            yield process


def ring_starter(
    language: str,
    server: DevServer,
    queue: str,
    uri: str,
    text: str,
    *,
    settings: Mapping[str, str] | None = None,
) -> "subprocess.Popen[str]":
    """Start the workflow of this name from another language; its result comes to stdout."""
    command: Sequence[str] = [*_program(language), "start", uri, server.address, queue, text]
    return subprocess.Popen(
        command,
        env=clean_environment(settings or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
