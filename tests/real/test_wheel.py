"""The package that workers install: built, installed from its wheel, used from outside."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.parts import lack

ROOT = Path(__file__).parents[2]
UV = str(ROOT / ".tools/uv/bin/uv")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and a folder with the example alone."""

    python: Path
    folder: Path

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    python = folder / "venv" / "bin" / "python"
    uv("build", "--wheel", "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    uv("pip", "install", "--python", str(python), f"{wheel}[aws,cli,temporal]", "mypy")
    outside = folder / "outside"
    shutil.copytree(
        ROOT / "examples", outside / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    return Installed(python, outside)


def uv(*arguments: str) -> None:
    if not Path(UV).exists():
        lack("uv", "make .venv/.synced installs it into .tools")
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lack("the wheel", done.stderr[-300:])


def test_the_example_is_type_checked_from_outside(installed: Installed) -> None:
    """What workers import has types, down to the last: `mypy --strict` finds nothing."""
    wrong = installed.folder / "wrong.py"
    wrong.write_text(
        "from temporal_codec.plugin import EncryptionPlugin\n\nEncryptionPlugin(ring=1)\n"
    )
    # Those of agents need packages of their own; the one for Lambda stands in its folder.
    for examples in (["examples/orders"], ["examples/lambda_worker/handler.py"]):
        paths = {"MYPYPATH": str(installed.folder / "examples/lambda_worker")}
        checked = installed.run("-m", "mypy", "--strict", *examples, **paths)
        assert checked.returncode == 0, checked.stdout
    refused = installed.run("-m", "mypy", "--strict", "wrong.py")
    assert 'has incompatible type "int"' in refused.stdout


def test_a_worker_gets_no_server(installed: Installed) -> None:
    """Neither our handlers nor what they are made of come with it."""
    absent = installed.run(
        "-c",
        "import temporal_codec.plugin, temporal_codec.temporal, examples.orders.worker; "
        "import importlib.util as u; "
        "print([n for n in ('handlers', 'tests', 'mangum', 'uvicorn', 'jwt', 'fastapi', "
        "'aws_lambda_powertools', 'boto3') if u.find_spec(n)])",
    )
    assert absent.stdout == "[]\n", absent.stdout + absent.stderr


def test_its_command_works(installed: Installed) -> None:
    """`temporal-codec` comes with the extra `cli`."""
    told = subprocess.run(
        [installed.python.with_name("temporal-codec"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("keys", "history", "doctor"):
        assert command in told.stdout
