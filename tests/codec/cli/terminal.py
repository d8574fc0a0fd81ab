"""The installed program, started as a shell starts it."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.rigs.processes import clean_environment

PROGRAM = Path(sys.executable).with_name("temporal-codec")


def temporal_codec(
    *arguments: str | Path, typed: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `temporal-codec` with these arguments."""
    return subprocess.run(
        [PROGRAM, *arguments],
        input=typed,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def at_the_same_time(
    count: int, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> list[subprocess.CompletedProcess[str]]:
    """Run one command so many times at once."""
    with ThreadPoolExecutor(count) as pool:
        runs = [
            pool.submit(temporal_codec, *arguments, environment=environment) for _ in range(count)
        ]
        return [run.result() for run in runs]
