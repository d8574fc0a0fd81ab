"""`temporal-codec`: what people do with key rings, histories, payloads and endpoints."""

import signal
import sys

from temporal_codec.errors import install

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process."""
    try:
        # A worker's installation has the codec alone, and the script all the same.
        from temporal_codec.cli.app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        lacking = (error.name or "").partition(".")[0]
        if lacking not in {"rich", "typer"}:
            raise
        sys.exit(f"temporal-codec needs {lacking}: {install('cli')}")
    # As Ctrl-C does, so that what is written halfway is taken away.
    for name in ("SIGHUP", "SIGTERM"):
        if hasattr(signal, name):  # Windows has no terminal that hangs up
            signal.signal(getattr(signal, name), _end)
    app()


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)
