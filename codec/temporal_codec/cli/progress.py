"""Counts for people: in sentences, and as progress bars on a terminal."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    track,
)

T = TypeVar("T")

# Fewer items finish before anybody can read a progress bar.
_LONG = 200
_LARGE = 1_000_000


def plural(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def track_items(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """Show how many items are done."""
    screen = Console(stderr=True)
    shown = total > _LONG and screen.is_terminal
    return track(items, what, total, console=screen, transient=True, disable=not shown)


def track_bytes(pieces: Iterable[bytes], what: str, total: int) -> Iterator[bytes]:
    """Show how many bytes are done."""
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=not (total > _LARGE and screen.is_terminal),
    ) as progress:
        task = progress.add_task(what, total=total)
        for piece in pieces:
            yield piece
            progress.advance(task, len(piece))
