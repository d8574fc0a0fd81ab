"""Programs of ours on the other official SDKs, which seal in the format of docs/format.md."""

import shutil
from functools import cache
from pathlib import Path

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT
from tests.rigs.sam import make

INTEROP = ROOT / ".tools/interop"


@cache
def go_programs() -> Path:
    """The folder of `convert`, `codec-server` and `worker`, built with Go."""
    if shutil.which("go") is None:
        lack("Go", "install Go 1.26 or later")
    make("interop-go")
    return INTEROP / "go"
