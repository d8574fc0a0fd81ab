"""Workers as people write them start and encrypt, with every Python that is here.

The SDK loads a workflow's module again in its sandbox, with all that the module imports; so each
program runs in a process of its own, as its author would start it.
"""

import json
import re
import signal
import subprocess
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.sam import make
from tests.rigs.secrets_manager import CREDENTIALS, client
from tests.rigs.temporal import DevServer, dev_server

pytestmark = pytest.mark.real("Temporal")

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
ENCRYPTED = {b"binary/encrypted"}
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT}
KINDS = ["default", "own-restrictions", "own-class", "unsandboxed"]
FILES = dict(
    re.findall(
        r"^```python\n# (\w+\.py)\n(.*?)^```$",
        (ROOT / "docs/workers.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    """A Temporal that all programs share."""
    with dev_server() as running:
        yield running


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    """A Python of this version, with what workers need."""
    make("workers")
    found = ROOT / f".tools/workers/{request.param}/bin/python"
    if not found.exists():
        pytest.skip(f"There is no Python {request.param} here.")
    return found


def run(python: Path, server: DevServer, *arguments: str, **extra: str) -> str:
    """What a program prints; it ends within two minutes, and without an error.

    A program that uses the SDK alone can crash or hang when it exits: a thread of the SDK's bridge
    still drops its last call's context (temporalio/sdk-python#300). A program of these tests that
    has done its work and ends so runs once more; a fault of ours would come again.
    """
    environ = clean_environment(
        {
            "TEMPORAL_ADDRESS": server.address,
            "PYTHONPATH": f"{ROOT / 'codec'}:{ROOT}",
            "PYTHONFAULTHANDLER": "1",
            **extra,
        }
    )
    for _ in range(2):
        status, printed, errors = ended([python, *arguments], environ)
        if not (status in CRASHES and printed):
            break
    assert status == 0, errors
    return printed


def ended(command: Sequence[str | Path], environ: Mapping[str, str]) -> tuple[int, str, str]:
    """A program's status and what it printed; one that hangs is aborted, and tells where it was."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environ, **pipes) as process:
        try:
            printed, errors = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            printed, errors = process.communicate(timeout=10)
    return process.returncode, printed, errors


def encodings(server: DevServer, task_queue: str) -> set[bytes]:
    """The encodings of all payloads of a task queue's last workflow.

    Search attributes and the marks of patches are plaintext by design.
    """
    query = f"TaskQueue='{task_queue}'"
    listed = json.loads(server.cli("workflow", "list", "--query", query, "--output", "json"))
    name = listed[0]["execution"]["workflowId"]
    history = server.cli("workflow", "show", "--workflow-id", name, "--output", "json")
    kept = [_without_plain_parts(each) for each in json.loads(history)["events"]]
    return set(map(b64decode, re.findall(r'"encoding": "([^"]+)"', json.dumps(kept))))


def _without_plain_parts(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_plain_parts(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {"searchAttributes", "patch-data"}
    return {name: _without_plain_parts(each) for name, each in value.items() if name not in plain}


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_in_one_file(python: Path, server: DevServer, kind: str) -> None:
    """With the SDK's sandbox, with one of the user's own, and without any."""
    assert run(python, server, "-m", "tests.rigs.workers.runners", kind) == "Hello, Ada!\n"
    assert encodings(server, kind) == ENCRYPTED


def test_a_worker_in_modules(python: Path, server: DevServer) -> None:
    assert run(python, server, "-m", "tests.rigs.workers.split") == "Hello, Ada!\n"
    assert encodings(server, "split") == ENCRYPTED


def test_the_documented_file_runs_as_printed(
    python: Path, server: DevServer, tmp_path: Path
) -> None:
    (tmp_path / "hello.py").write_text(FILES["hello.py"])
    assert run(python, server, str(tmp_path / "hello.py")) == "Hello, Ada!\n"
    assert encodings(server, "hello") == ENCRYPTED


def test_the_documented_file_with_s3_storage_runs_as_printed(
    python: Path, server: DevServer, moto: int, tmp_path: Path
) -> None:
    """What is stored there is encrypted, too."""
    s3 = client(moto, "s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        where = {"LocationConstraint": "eu-west-1"}
        s3.create_bucket(Bucket="my-payloads", CreateBucketConfiguration=where)
    (tmp_path / "store.py").write_text(FILES["store.py"])
    aws = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto}"}
    assert run(python, server, str(tmp_path / "store.py"), **aws) == "600000\n"
    assert encodings(server, "echo") == {b"json/protobuf"}  # the reference
    stored = s3.list_objects_v2(Bucket="my-payloads")["Contents"]
    bodies = [
        s3.get_object(Bucket="my-payloads", Key=each["Key"])["Body"].read() for each in stored
    ]
    assert bodies
    assert all(b"binary/encrypted" in body and b"large" not in body for body in bodies)


def test_a_worker_on_lambda(python: Path, server: DevServer) -> None:
    """Temporal's serverless worker: two invocations, each with an event loop of its own."""
    module = "tests.rigs.workers.on_lambda"
    greetings = run(python, server, "-m", module, KEYRING="development")
    assert greetings == "Hello, Ada!\n" * 2
    assert encodings(server, "greetings") == ENCRYPTED


def test_beside_the_plugin_of_openai_agents(python: Path, server: DevServer) -> None:
    module = "tests.rigs.workers.openai_agents"
    assert run(python, server, "-m", module) == "canary answer\n"
    assert encodings(server, "openai-agents") == ENCRYPTED


def test_beside_the_plugin_of_pydantic_ai(python: Path, server: DevServer) -> None:
    module = "examples.agents.with_pydantic_ai"
    assert run(python, server, "-m", module, MODEL="test") == "success (no tool calls)\n"
    assert encodings(server, "pydantic-ai") == ENCRYPTED
