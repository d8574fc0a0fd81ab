"""The rules of the layout: where modules live, and which way imports point."""

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
