"""Plain English: words that slow a reader down do not occur in anything that people read."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.rigs.processes import ROOT

BANNED = (
    *("shall", "whoever", "whomever", "lest", "nought", "be it", "at hand", "is told", "be had"),
    *("had been told", "asks nobody", "as it must be", "can't be had", "not to be had"),
)
_WORDS = re.compile(r"\b(" + "|".join(BANNED) + r")\b", re.IGNORECASE)
READ = {
    *(".md", ".py", ".yaml", ".yml", ".toml", ".mk", ".go", ".ts", ".java", ".json", ".html"),
    *("Makefile", "Dockerfile", "run"),
}
# The words themselves stand here; the vectors and licences are other people's texts.
OTHERS = ("tests/vectors/", "tests/wycheproof/", "tests/events/", "tests/docs/test_english.py")


def texts() -> list[Path]:
    """Every file of the repository that people read."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    own = (name for name in listed if not name.startswith(OTHERS) or name.endswith(".md"))
    files = (ROOT / name for name in own)
    return [each for each in files if {each.suffix, each.name} & READ and each.is_file()]


def faults(text: str) -> list[str]:
    """Each line with a banned word, also where the words stand on two lines."""
    joined = re.sub(r"\s*\n\s*(#|//)?\s*", " ", text)
    return [joined[max(0, m.start() - 40) : m.end() + 30] for m in _WORDS.finditer(joined)]


@pytest.mark.parametrize("file", texts(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_banned_word_is_read_anywhere(file: Path) -> None:
    """docs, command line, template, docstrings, comments and tests alike."""
    assert faults(file.read_text()) == []


def test_the_search_finds_what_it_looks_for() -> None:
    for text in ("nobody shall", "Whoever asks", "what\n    # is told", "cannot be had"):
        assert faults(text)
    assert faults("marshall, blest and a handle") == []
