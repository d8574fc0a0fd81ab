"""What every place that keeps a key ring can do."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Stored:
    """A ring's text as it was read, and which version that was."""

    text: bytes = field(repr=False)
    version: str = ""


class RingStore(Protocol):
    """One ring's place. Every method raises CliError."""

    uri: str
    """What CODEC_KEYRING must be to use this ring."""
    repair: str
    """What to do where the text is no ring."""

    def read(self) -> Stored | None:
        """The ring's text; None where there is none."""

    def previous(self) -> bytes | None:
        """The text before this one, where the place keeps it."""

    def create(self, text: bytes) -> None:
        """Write a ring where there is none."""

    def replace(self, old: Stored, text: bytes) -> None:
        """Write a ring over the one that was read; refuses where another is there by now."""

    def warnings(self) -> list[str]:
        """What is amiss about the place, apart from the text."""


def overtaken(uri: str) -> str:
    """What to tell somebody whose change came second."""
    return (
        f"Somebody else changed {uri} in the meantime. Their change stands, yours was not made: "
        "run the command again."
    )
