"""The SAM CLI, at the version that the Makefile names, and what it builds."""

import os
import subprocess
from functools import cache

from tests.rigs.alone import alone
from tests.rigs.processes import ROOT

SAM_PYTHON = ROOT / ".tools/sam/bin/python"


@cache
def make(target: str) -> None:
    """Make a target once a session; it does nothing where all is there and new."""
    # What a make above us was told is not for this one: its job slots are not handed on.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    with alone("make"):
        made = subprocess.run(
            ["make", target], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if made.returncode:
        raise RuntimeError(f"make {target} failed:\n{made.stdout}\n{made.stderr}")


def sam(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the SAM CLI in the project's folder."""
    make("sam")
    return subprocess.run(
        [SAM_PYTHON.with_name("sam"), *arguments],
        cwd=ROOT,
        env={**os.environ, "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
