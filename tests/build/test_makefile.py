"""The Makefile: what it lists, what it pins, and that it says what it lacks."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.processes import ROOT

MAKEFILES = (ROOT / "Makefile").read_text() + (ROOT / "tools.mk").read_text()
PINNED = sorted((ROOT / "tools").glob("*.in"))
# SAM calls these, and people do not.
OF_SAM = re.compile(r"build-\w+Function")


def make(*arguments: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def phony() -> set[str]:
    """Every target that is not a file, as the Makefile declares it."""
    lines = MAKEFILES.replace("\\\n", " ").splitlines()
    names = {name for line in lines if line.startswith(".PHONY:") for name in line.split()[1:]}
    return {name for name in names if not OF_SAM.fullmatch(name)}


def test_help_lists_every_target_aligned() -> None:
    """One line for each, its explanation in one column, within a terminal of 100."""
    lines = make("help").stdout.splitlines()
    assert {line.split()[0] for line in lines} == phony()
    assert len({re.match(r"\S+ +", line).end() for line in lines}) == 1  # type: ignore[union-attr]
    assert max(map(len, lines)) <= 100


def test_no_shell_reads_what_is_in_a_folder_s_name() -> None:
    """Make would paste a `$` or a quote into the command; a variable of the shell is only text."""
    assert not re.search(r"^\t.*\$\((CURDIR|ARTIFACTS_DIR)\)", MAKEFILES, re.MULTILINE)


def test_every_rule_without_a_file_is_declared() -> None:
    """A file of the same name would otherwise hide the target."""
    rules = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILES, re.MULTILINE))
    assert rules <= phony()


@pytest.mark.parametrize("suite", re.findall(r"^suite-(\w+) =", MAKEFILES, re.MULTILINE))
def test_a_suite_of_bench_has_its_older_name(suite: str) -> None:
    """`make bench-cold` runs what `make bench SUITE=cold` runs."""
    tried = make("--dry-run", "bench", f"SUITE={suite}").stdout.splitlines()[-1]
    assert "-m benchmarks" in tried
    assert make("--dry-run", f"bench-{suite}").stdout.splitlines()[-1] == tried


def test_an_unknown_suite_is_named() -> None:
    assert "There is no suite other" in make("--dry-run", "bench", "SUITE=other").stderr


@pytest.mark.parametrize("file", PINNED, ids=lambda file: file.stem)
def test_a_tool_and_all_that_it_needs_have_hashes(file: Path) -> None:
    """Each requirement is one version with hashes, and each line of NAME.in is among them."""
    locked = file.with_suffix(".txt").read_text()
    requirements = re.sub(r"#.*|\\\n", "", locked).strip().splitlines()
    entries = [each for each in requirements if each.strip()]
    assert entries
    assert not [each for each in entries if "==" not in each or "--hash=sha256:" not in each]
    names = {re.split(r"==|\[", each)[0].strip() for each in entries}
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert {re.split(r"==|\[", line)[0] for line in lines} <= names
    assert "://" not in locked


def test_nothing_is_installed_without_hashes() -> None:
    """Every call of pip demands them; Go and npm read their lock files and change nothing."""
    commands = MAKEFILES.replace("\\\n", " ").splitlines()
    installs = [line for line in commands if re.search(r"\bpip install\b", line)]
    assert len(installs) >= 4
    assert not [line for line in installs if "--require-hashes" not in line]
    assert not [line for line in installs if "--only-binary :all:" not in line]
    assert not re.findall(
        r"go (?:install|get)|npm (?:i|install)\b|go build (?!-mod=readonly)", MAKEFILES
    )


def test_the_build_backend_is_locked() -> None:
    """Nothing is built in isolation, where the newest backend would be fetched."""
    project = (ROOT / "pyproject.toml").read_text()
    assert 'no-build-isolation-package = ["temporal-codec-server"]' in project
    assert 'name = "hatchling"' in (ROOT / "uv.lock").read_text()


def test_a_machine_without_python_is_told_so(tmp_path: Path) -> None:
    """The first thing that a newcomer may lack is named."""
    for name in ("Makefile", "tools.mk", "uv.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    made = make("PYTHON=", "run", folder=tmp_path)
    assert made.returncode != 0
    assert "Python 3.11+ with venv is required." in made.stderr


def test_a_jar_that_nobody_listed_fails_the_build(tmp_path: Path) -> None:
    """Maven has no lock file: what it fetched is compared with a list of hashes."""
    repository, listed = tmp_path / "m2/org/library", tmp_path / "jars.sha256"
    repository.mkdir(parents=True)
    jar = repository / "library.jar"
    jar.write_bytes(b"as reviewed")
    command: list[str | Path] = [ROOT / "tools/check-jars", "m2", listed.name]
    options: dict[str, Any] = {"cwd": tmp_path, "capture_output": True, "text": True}
    subprocess.run(command, env={**os.environ, "PIN": "1"}, check=True, **options)
    assert subprocess.run(command, check=False, **options).returncode == 0
    jar.write_bytes(b"another")
    changed = subprocess.run(command, check=False, **options)
    assert changed.returncode == 1
    assert "library.jar" in changed.stderr
    assert "run 'make pin'" in changed.stderr
