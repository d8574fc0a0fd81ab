"""The build's last step, on a small folder; tests/real/test_build.py looks at the real one."""

import subprocess
import sys
from pathlib import Path
from py_compile import PyCompileError

import pytest

from artifact import __main__ as command
from artifact import bytecode
from tests.rigs.processes import ROOT

TEMPLATE = ROOT / "template.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function of ours, and a library with what comes along."""
    for name in (
        *("handlers/decode.py", "library/__init__.py", "library/part.py"),
        *("library/py.typed", "library/part.pyi", "library/__pycache__/part.cpython-311.pyc"),
        *("library-1.0.dist-info/METADATA", "library-1.0.dist-info/licenses/LICENSE"),
        *("library-1.0.dist-info/RECORD", "library-1.0.dist-info/direct_url.json", ".lock"),
        *(
            "botocore/data/ssm/2014-11-06/endpoint-rule-set-1.json.gz",
            "botocore/data/ec2/2016-11-15/service-2.json.gz",
        ),
        *("botocore/data/partitions.json", "bin/script"),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("number = 1\n" if name.endswith(".py") else "")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


KEPT = {
    *("library-1.0.dist-info/METADATA", "library-1.0.dist-info/licenses/LICENSE"),
    *(
        "botocore/data/ssm/2014-11-06/endpoint-rule-set-1.json.gz",
        "botocore/data/partitions.json",
        "handlers/decode.py",
    ),
}


@pytest.mark.skipif(not bytecode.MATCHES, reason="another Python compiles nothing, see below")
def test_a_folder_is_trimmed_and_compiled(folder: Path) -> None:
    command.main(["finish", str(folder), str(TEMPLATE)])
    assert files(folder) == {
        *KEPT,
        *("handlers/__pycache__/decode.cpython-313.pyc", "library/__init__.pyc"),
        "library/part.pyc",
    }
    loads = [sys.executable, "-S", "-c", "import library.part, handlers.decode"]
    assert subprocess.run(loads, cwd=folder, check=False).returncode == 0


def test_another_python_leaves_the_sources_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bytecode would be of no use on Lambda: a slower artifact is better than none."""
    monkeypatch.setattr(bytecode, "MATCHES", False)
    command.main(["finish", str(folder), str(TEMPLATE)])
    assert files(folder) == {*KEPT, "library/__init__.py", "library/part.py"}
    assert "Install Python 3.13" in capsys.readouterr().err


@pytest.mark.skipif(not bytecode.MATCHES, reason="another Python compiles nothing")
def test_a_module_that_does_not_compile_ends_the_build(folder: Path) -> None:
    (folder / "library/part.py").write_text("def")
    with pytest.raises(PyCompileError, match=r"part\.py"):
        command.main(["finish", str(folder), str(TEMPLATE)])


def test_a_fault_ends_the_build_with_what_to_do(folder: Path) -> None:
    (folder / "native.so").write_bytes(b"MZ")
    with pytest.raises(SystemExit, match=r"not fit for Lambda: native\.so"):
        command.main(["finish", str(folder), str(TEMPLATE)])


def test_the_digest_is_told_with_the_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["digest", str(folder), str(folder / "handlers")])
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(len(number), name) for number, name in told] == [(64, folder.name), (64, "handlers")]


@pytest.mark.parametrize("arguments", [[], ["finish"], ["digest"], ["other", "x"]])
def test_a_wrong_command_is_told_the_right_one(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="python -m artifact finish FOLDER TEMPLATE"):
        command.main(arguments)


@pytest.mark.skipif(not bytecode.MATCHES, reason="another Python compiles nothing")
def test_the_closing_lines_tell_of_bytecode(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each function; SAM hides what the build itself prints."""
    command.main(["finish", str(folder), str(TEMPLATE)])
    command.main(["summary", str(folder)])
    told = capsys.readouterr()
    assert told.out == f"{folder.name}: 0.0 MB, with bytecode\n"
    assert not told.err


def test_the_closing_lines_warn_where_there_is_no_bytecode(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning comes to the terminal, with what to do."""
    for compiled in folder.rglob("*.pyc"):
        compiled.unlink()
    command.main(["summary", str(folder)])
    told = capsys.readouterr()
    assert told.out == f"{folder.name}: 0.0 MB, WITHOUT bytecode\n"
    assert "Install Python 3.13" in told.err
