"""Whose cold start is measured: ours, one on the usual stack, and a function of a line."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cases import CASES
from tests.rigs.issuer import token
from tests.rigs.lambda_events import Request
from tests.rigs.lambda_runtime import artifact, interpreter
from tests.rigs.processes import ROOT
from tests.rigs.sam import make

COMPILED = "reference, compiled"
ORIGIN = "https://cloud.temporal.io"
REFERENCE = ROOT / ".aws-sam/reference"
# Set outside, or left there, it would make the runtime itself wait for a snapshot.
_LAZY = """import os

os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
from handlers.decode import handler
del os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""
_EMPTY = 'def handler(event, context):\n    return {"statusCode": 204}\n'


@dataclass(frozen=True)
class Contestant:
    """A function, and what it is asked first."""

    name: str
    folder: Path
    handler: str
    request: Request
    status: int


def contestants(scratch: Path) -> list[Contestant]:
    """Ours, the reference as it comes and compiled as ours is, and a function of nothing."""
    bearer = {
        "content-type": "application/json",
        "x-namespace": "default",
        "origin": ORIGIN,
        "authorization": f"Bearer {token()}",
    }
    decode = Request("POST", "/decode", bearer, CASES[0].sealed())
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
    preflight = Request("OPTIONS", "/decode", asked)
    make(str(REFERENCE.relative_to(ROOT)))
    shutil.copy(ROOT / "benchmarks/reference.py", REFERENCE)
    lazy, empty = scratch / "lazy", scratch / "empty"
    shutil.copytree(artifact("DecodeFunction"), lazy)
    (lazy / "lazy.py").write_text(_LAZY)
    empty.mkdir()
    (empty / "empty.py").write_text(_EMPTY)
    usual = Contestant("reference", REFERENCE, "reference.handler", decode, 200)
    ours = Contestant("decode", artifact("DecodeFunction"), "handlers.decode.handler", decode, 200)
    return [
        usual,
        replace(usual, name=COMPILED, folder=compiled(REFERENCE, scratch / "reference")),
        ours,
        replace(ours, name="decode, fetching late", folder=lazy, handler="lazy.handler"),
        Contestant(
            "preflight", artifact("PreflightFunction"), "handlers.preflight.handler", preflight, 204
        ),
        Contestant(
            "nothing", compiled(empty, scratch / "nothing"), "empty.handler", preflight, 204
        ),
    ]


def compiled(source: Path, copy: Path) -> Path:
    """A copy of a folder with bytecode for every module in it."""
    shutil.copytree(source, copy)
    modes = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
    subprocess.run([*interpreter(), *modes, copy], check=True)
    return copy
