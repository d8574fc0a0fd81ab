"""The rules of the layout: where modules live, and which way imports point."""

import re
from pathlib import Path

import pytest

from tests.rigs.processes import ROOT

PACKAGES = [ROOT / "handlers", ROOT / "codec" / "temporal_codec"]
MODULES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
ENTRIES = {"decode", "encode", "preflight", "rotation", "local", "startup", "__init__"}


def test_only_entry_points_stand_at_the_top_of_handlers() -> None:
    """`ls handlers` reads like template.yaml."""
    assert {file.stem for file in (ROOT / "handlers").glob("*.py")} == ENTRIES


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_has_at_most_200_lines(file: Path) -> None:
    """A module is one noun and one reading."""
    assert len(file.read_text().splitlines()) <= 200


def test_a_prefix_shared_by_three_files_is_a_package() -> None:
    """Names do not play package."""
    prefixes: dict[tuple[Path, str], int] = {}
    for file in MODULES:
        head, _, rest = file.stem.partition("_")
        if head and rest:
            key = (file.parent, head)
            prefixes[key] = prefixes.get(key, 0) + 1
    assert not [key for key, count in prefixes.items() if count >= 3]


# Each room, and the rooms of `handlers` that it may import.
MAY_IMPORT = {
    "settings": {"settings"},
    "access": {"access", "settings"},
    "server": {"server", "access", "settings"},
}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    """The server knows who may call, and both know the settings; never the other way round."""
    wrong = [
        f"{file.name}: {name}"
        for file in (ROOT / "handlers" / room).glob("*.py")
        for name in re.findall(r"^\s*from handlers\.(\w+)", file.read_text(), re.MULTILINE)
        if name not in MAY_IMPORT[room]
    ]
    assert wrong == []
