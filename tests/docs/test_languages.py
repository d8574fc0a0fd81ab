"""A newcomer in Go, TypeScript or Java gets from the README to ciphertext in a history."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.docs.pages import dead_links
from tests.rigs.interop import INTEROP, LANGUAGES, built
from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.temporal import DevServer, dev_server, temporal

SESSION = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVER = "temporal server start-dev --headless &\n"


@pytest.fixture(scope="module")
def server() -> Iterator[DevServer]:
    with dev_server() as running:
        yield running


@pytest.mark.real("Temporal")
@pytest.mark.parametrize(
    "language", [pytest.param(name, marks=pytest.mark.real(name)) for name in LANGUAGES]
)
def test_the_session_of_a_readme_runs(language: str, server: DevServer, tmp_path: Path) -> None:
    """Every command as it stands, in a copy, against a server of the test's own."""
    built(language)
    folder = tmp_path / "examples" / language
    made = shutil.ignore_patterns("node_modules", "lib", "target")
    shutil.copytree(ROOT / "examples" / language, folder, ignore=made)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/vectors").symlink_to(ROOT / "tests/vectors")
    (session,) = SESSION.findall((folder / "README.md").read_text())
    assert session.startswith(SERVER)
    done = _run(session.removeprefix(SERVER), folder, server)
    assert "Hello, Ana!" in done
    assert '"encryption-key-id"' in (folder / "history.json").read_text()
    assert "Ana" not in (folder / "history.json").read_text()


def _run(session: str, folder: Path, server: DevServer) -> str:
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", session],
            cwd=folder,
            env=_environment(server),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(400)
        finally:
            with suppress(ProcessLookupError):  # a session that failed may have left nothing
                os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        printed = log.read()
    assert status == 0, printed
    return printed


def _environment(server: DevServer) -> dict[str, str]:
    programs = (Path(sys.executable).parent, temporal().parent)
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    maven = f"{os.environ.get('MAVEN_OPTS', '')} -Dmaven.repo.local={INTEROP}/m2"
    return clean_environment(
        {"PATH": path, "TEMPORAL_ADDRESS": server.address, "MAVEN_OPTS": maven, "NO_COLOR": "1"}
    )


@pytest.mark.parametrize("language", [*LANGUAGES, "dotnet", "ruby"])
def test_links_lead_somewhere(language: str) -> None:
    assert dead_links(f"examples/{language}/README.md") == []
