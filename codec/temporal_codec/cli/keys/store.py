"""The interface of every place that keeps a key ring."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """A ring's text as it was read, and its version."""

    text: bytes = field(repr=False)
    version: str = ""


class RingStore(Protocol):
    """One ring's place. Every method raises CliError."""

    uri: str
    """What CODEC_KEYRING must be to use this ring."""
    repair: str
    """What to do if the text is not a ring."""

    def read(self) -> Stored | None:
        """The ring's text; None if there is none."""

    def previous(self) -> bytes | None:
        """The text before this one, if the place keeps it."""

    def create(self, text: bytes) -> None:
        """Write a ring if there is none."""

    def replace(self, old: Stored, text: bytes) -> None:
        """Replace the ring that was read; rejected if it has changed since."""

    def warnings(self) -> list[str]:
        """What is wrong with the place, apart from the text."""

    def sealed(self, labels: Collection[str]) -> dict[str, int]:
        """How often servers sealed with these keys, by label, if they count where the ring is."""


def overtaken(uri: str) -> str:
    """The error for the change that came second."""
    return (
        f"Somebody else changed {uri} in the meantime. Their change stands and yours was not made. "
        "Run the command again."
    )
