"""What only one of several test processes may do at a time."""

import fcntl
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.processes import ROOT


@contextmanager
def alone(with_: str) -> Iterator[None]:
    """Wait until no other process has this; it is let go when the block or the process ends.

    What lies in the checkout is this checkout's own; ports are the whole machine's.
    """
    own = "" if with_.startswith("ports") else hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    name = f"temporal-codec-{with_.replace(' ', '-')}-{own}.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
