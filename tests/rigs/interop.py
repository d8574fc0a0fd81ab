"""Programs of ours on the other official SDKs, which seal in the format of docs/format.md."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, Running, clean_environment, running
from tests.rigs.sam import make
from tests.rigs.temporal import DevServer

INTEROP = ROOT / ".tools/interop"
_TOOLS = {"go": ["go"], "typescript": ["node", "npm"], "java": ["java", "javac", "mvn"]}
LANGUAGES = tuple(_TOOLS)


@cache
def built(language: str) -> Path:
    """The folder of what is made from `tests/interop/LANGUAGE`."""
    for tool in _TOOLS[language]:
        if shutil.which(tool) is None:
            lack(tool, f"it builds tests/interop/{language}")
    make(f"interop-{language}")
    return INTEROP / language


def convert(language: str, operation: str, payloads: str) -> str:
    """Payloads as JSON, decoded or encoded with this language's SDK."""
    folder = built(language)
    command = {
        "go": [f"{folder}/convert"],
        "typescript": ["node", f"{folder}/convert.js"],
        "java": ["java", "-cp", f"{folder}/classes:{folder}/libraries/*", "interop.Convert"],
    }[language]
    done = subprocess.run(
        [*command, operation], input=payloads, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{language} could not {operation}:\n{done.stderr}")
    return done.stdout


@contextmanager
def go_worker(server: DevServer, queue: str) -> Iterator[Running]:
    """Run a worker of the Go SDK whose data converter seals."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        command = [f"{built('go')}/worker", "work", server.address, queue, str(ready)]
        with running(command, ready.exists, clean_environment({})) as process:
            yield process


def go_starter(server: DevServer, queue: str, text: str) -> "subprocess.Popen[str]":
    """Start the workflow from the Go SDK; its result comes to stdout."""
    command = [f"{built('go')}/worker", "start", server.address, queue, text]
    return subprocess.Popen(
        command,
        env=clean_environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
