"""A library for another processor ends the build with a sentence that names it."""

from pathlib import Path

import pytest

from artifact.processor import WrongProcessor, check, wanted
from tests.rigs.processes import ROOT


def library(folder: Path, machine: int, magic: bytes = b"\x7fELF\x02\x01\x01") -> Path:
    """A folder with one library, as far as its header goes."""
    inside = folder / "some/package"
    inside.mkdir(parents=True)
    header = magic.ljust(18, b"\0") + machine.to_bytes(2, "little") + bytes(44)
    (inside / "native.so").write_bytes(header)
    return folder


@pytest.mark.parametrize(("name", "machine"), [("x86_64", 62), ("arm64", 183)])
def test_a_library_of_the_processor_passes(name: str, machine: int, tmp_path: Path) -> None:
    check(library(tmp_path, machine), name)


@pytest.mark.parametrize(("name", "machine"), [("x86_64", 183), ("arm64", 62), ("x86_64", 3)])
def test_a_library_of_another_does_not(name: str, machine: int, tmp_path: Path) -> None:
    with pytest.raises(WrongProcessor, match=f"some/package/native.so is not for {name}"):
        check(library(tmp_path, machine), name)


@pytest.mark.parametrize(
    "magic", [b"\xcf\xfa\xed\xfe", b"\x7fELF\x01\x01", b"\x7fELF\x02\x02", b""]
)
def test_a_library_of_another_system_does_not(magic: bytes, tmp_path: Path) -> None:
    """Of macOS, of 32 bits, of the other order of bytes, cut off."""
    with pytest.raises(WrongProcessor, match="no 64-bit library for Linux"):
        check(library(tmp_path, 62, magic), "x86_64")


def test_a_library_with_a_version_in_its_name_is_looked_at_too(tmp_path: Path) -> None:
    (library(tmp_path, 183) / "some/package/native.so").rename(tmp_path / "libz.so.1.3")
    with pytest.raises(WrongProcessor, match=r"libz\.so\.1\.3"):
        check(tmp_path, "x86_64")


def template(folder: Path, text: str) -> Path:
    file = folder / "template.yaml"
    file.write_text(text)
    return file


def test_the_template_says_which(tmp_path: Path) -> None:
    """In the words of this project's template; one processor for all functions."""
    assert wanted(ROOT / "template.yaml") in ("x86_64", "arm64")
    line = "    Architectures: [arm64]\n"
    assert wanted(template(tmp_path, f"Globals:\n{line}Resources:\n{line}")) == "arm64"


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "    Architectures: [x86_64]\n    Architectures: [arm64]\n",
        "    Architectures: [x86_64, arm64]\n",
        "    Architectures: [!Ref Architecture]\n",
        "    Architectures:\n      - x86_64\n",
    ],
    ids=["none", "two", "two-in-one", "parameter", "other-spelling"],
)
def test_what_cannot_be_told_is_not_guessed(lines: str, tmp_path: Path) -> None:
    with pytest.raises(WrongProcessor, match=r"template\.yaml must say"):
        wanted(template(tmp_path, lines))
