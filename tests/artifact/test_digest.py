"""The digest is of names and contents, and of nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from artifact.digest import digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/two.py").write_text("2")
    (tmp_path / "one.py").write_text("1")
    return tmp_path


def test_time_and_permissions_do_not_count(folder: Path) -> None:
    before = digest(folder)
    os.utime(folder / "one.py", (0, 0))
    (folder / "one.py").chmod(0o600)
    (folder / "empty").mkdir()
    assert digest(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "one.py").write_text("3"),
        lambda folder: (folder / "one.py").rename(folder / "three.py"),
        lambda folder: (folder / "one.py").rename(folder / "b/one.py"),
        lambda folder: (folder / "b/two.py").unlink(),
        lambda folder: (folder / "three.py").write_text(""),
    ],
    ids=["contents", "name", "place", "less", "more"],
)
def test_names_and_contents_do(change: Callable[[Path], object], folder: Path) -> None:
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_the_order_in_which_a_system_lists_files_does_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It differs from one file system to the next."""
    listed = list(folder.rglob("*"))
    told = set()
    for order in (listed, listed[::-1]):
        monkeypatch.setattr(Path, "rglob", lambda _folder, _pattern, order=order: iter(order))
        told.add(digest(folder))
    assert len(told) == 1


def test_contents_cannot_play_names(tmp_path: Path) -> None:
    """Where one file ends and the next begins is part of it."""
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    (one / "a").write_bytes(b"x")
    (one / "b").write_bytes(b"")
    (two / "a").write_bytes(b"xb\x000\x00")
    assert digest(one) != digest(two)
