"""`temporal-codec`: commands for key rings, histories, payloads, policies and endpoints."""

import io
import signal
import sys

from temporal_codec.errors import install

__all__ = ["main"]


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that is not UTF-8 lacks characters
            stream.reconfigure(errors="replace")
    app()


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)
