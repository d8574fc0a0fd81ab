"""`temporal-codec`: commands for key rings, histories, payloads, policies and endpoints."""

import errno
import io
import logging
import os
import signal
import sys
from pathlib import Path

from temporal_codec.errors import install

__all__ = ["main"]

_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def main() -> None:
    """Run the command line and end the process."""
    try:
        # The script is installed with the codec alone too, without these libraries.
        from temporal_codec.cli.app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        lacking = (error.name or "").partition(".")[0]
        if lacking not in {"rich", "typer"}:
            raise
        sys.exit(f"temporal-codec needs {lacking}: {install('cli')}")
    # As after Ctrl-C, files that are half written are removed.
    for name in ("SIGHUP", "SIGTERM"):
        if hasattr(signal, name):  # Windows has no terminal that hangs up
            signal.signal(getattr(signal, name), _end)
    # A CliError says the same as what the codec logs.
    logging.getLogger("temporal_codec").addHandler(logging.NullHandler())
    if sys.stdout is None:  # closed: the exit status alone is wanted
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 — as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 lacks characters
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left
        sys.exit(f"Cannot write to standard output: {error.strerror}.")


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)
