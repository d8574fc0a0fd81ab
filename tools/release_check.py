"""`make release-check`: whether the distributions can be published, and work where they arrive.

They are installed as a user has them: in an empty environment, in a folder with a `codec.py` and a
`cli.py` of the user's own.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
UV = ROOT / ".tools/uv/bin/uv"
CHECKERS = ROOT / ".tools/release/bin"
TEMPORAL = ROOT / ".tools/bin/temporal"
EXTRAS = ("aws", "cli", "temporal")
_PATIENCE_SECONDS = 60


def run(*command: str | Path, folder: Path = ROOT, **variables: str) -> str:
    """What a command prints; ends the check with its output where it fails."""
    done = subprocess.run(  # noqa: S603 — commands of ours
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"release-check: {' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def build() -> Path:
    """Build both distributions into `dist/`, and check their metadata; gives the wheel."""
    for old in (*DIST.glob("*.whl"), *DIST.glob("*.tar.gz")):
        old.unlink()
    run(UV, "build", "--quiet", "--no-build-isolation", "--out-dir", DIST)
    (wheel,), (source,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(CHECKERS / "twine", "check", "--strict", wheel, source)
    run(CHECKERS / "check-wheel-contents", wheel)
    print(f"{source.name}, {wheel.name}: metadata and contents are correct.")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel in an empty environment, with libraries from the lock; gives its Python."""
    extras: list[str | Path] = [part for extra in EXTRAS for part in ("--extra", extra)]
    locked = folder / "requirements.txt"
    run(
        UV,
        *("export", "--frozen", "--quiet", "--no-default-groups", "--no-emit-project"),
        *(*extras, "--output-file", locked),
    )
    python = folder / "venv/bin/python"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    into: tuple[str | Path, ...] = (
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--only-binary",
        ":all:",
    )
    run(*into, "--require-hashes", "--requirement", locked)
    run(*into, "--no-deps", wheel)
    return python


def use(python: Path, folder: Path) -> None:
    """Run the worker example and the command beside a user's own modules of common names."""
    outside = folder / "of a user"
    shutil.copytree(ROOT / "examples/orders", outside / "examples/orders")
    run(python, "-c", _NOT_THERE, folder=outside)
    for name in ("codec.py", "cli.py"):
        (outside / name).write_text('MINE = "a file of the user"\n')
    run(python, "-c", "import codec, cli; assert codec.MINE == cli.MINE", folder=outside)
    told = run(python.with_name("temporal-codec"), "--version", folder=outside).strip()
    run(python.with_name("temporal-codec"), "keys", "new", "ring.json", folder=outside)
    run(python.with_name("temporal-codec"), "keys", "check", "ring.json", folder=outside)
    print(f"{told}: the command works beside a codec.py and a cli.py.")
    if not TEMPORAL.exists():
        sys.exit("release-check: the worker needs a Temporal Service, and that needs Go to build.")
    with _service() as port:
        print(run(python, "-c", _ORDER, str(port), folder=outside).splitlines()[-1])


_NOT_THERE = """
try:
    import codec
except ModuleNotFoundError:
    raise SystemExit
raise SystemExit("the wheel installs a module called codec")
"""
_ORDER = """
import asyncio, sys
from examples.orders.connection import connect
from examples.orders.starter import collect, open_billing, place
from examples.orders.worker import make_worker

async def order():
    client = await connect(f"127.0.0.1:{sys.argv[1]}", "file:ring.json")
    await open_billing(client)
    async with make_worker(client):
        print("The worker example ran:", await collect(await place(client, "Ada Lovelace")))

asyncio.run(order())
"""


@contextmanager
def _service() -> Iterator[int]:
    port = _free_port()
    command: list[str | Path] = [
        TEMPORAL,
        "server",
        "start-dev",
        "--headless",
        "--log-level",
        "error",
    ]
    command += ["--ip", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 — the one built here
    try:
        _await_service(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _await_service(port: int) -> None:
    listing: list[str | Path] = [TEMPORAL, "workflow", "list", "--address", f"127.0.0.1:{port}"]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while subprocess.run(listing, capture_output=True, check=False).returncode:  # noqa: S603
        if time.monotonic() > deadline:
            sys.exit("release-check: the Temporal Service does not answer.")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Build, install and use; a fault ends it with what failed."""
    wheel = build()
    with tempfile.TemporaryDirectory(prefix="release check ") as folder:
        use(install(wheel, Path(folder)), Path(folder))


if __name__ == "__main__":
    main()
