"""A file that is written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from temporal_codec.cli.errors import CliError


@contextmanager
def scratch(beside: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A temporary file in the same folder, so that it can be renamed; removed after the block.

    Only its owner can read it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{beside.name}.", dir=beside.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def settle(file: IO[bytes]) -> None:
    """Flush the file to disk and close it, before it gets its name."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


@contextmanager
def written_at_once(output: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block succeeds; raises CliError."""
    try:
        with scratch(output) as (file, path):
            yield file
            settle(file)
            path.replace(output)
    except OSError as error:
        raise CliError(f"Cannot write {output}: {error.strerror}.") from None
