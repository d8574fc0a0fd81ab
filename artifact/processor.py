"""Whether the native libraries are for the processor that the template asks for.

SAM does not tell the build which one it is, and Lambda finds out at the first import.
"""

import re
from pathlib import Path

# The field e_machine of an ELF header, for 64 bits and the lower byte first.
_MACHINES = {"x86_64": 62, "arm64": 183}
_MAGIC = b"\x7fELF\x02\x01"
_ARCHITECTURES = re.compile(r"^ *Architectures:(.*)$", re.MULTILINE)


class WrongProcessor(Exception):
    """A library would not load on Lambda; the message says which, and what to do."""


def wanted(template: Path) -> str:
    """The one architecture of a template's functions; raises WrongProcessor if it cannot tell."""
    found = {each.strip() for each in _ARCHITECTURES.findall(template.read_text())}
    names = [name for name in _MACHINES if found == {f"[{name}]"}]
    if not names:
        raise WrongProcessor(
            f"{template.name} must say `Architectures: [x86_64]` or `Architectures: [arm64]`, "
            "the same for all functions"
        )
    return names[0]


def check(folder: Path, name: str) -> None:
    """Look at every library in a folder; raises WrongProcessor."""
    for file in sorted(folder.rglob("*.so*")):
        with file.open("rb") as library:
            head = library.read(20)
        if not head.startswith(_MAGIC):
            raise WrongProcessor(f"{file.relative_to(folder)} is no 64-bit library for Linux")
        if int.from_bytes(head[18:20], "little") != _MACHINES[name]:
            raise WrongProcessor(
                f"{file.relative_to(folder)} is not for {name}, which the template asks for. "
                "Remove .aws-sam and build again, with the template's processor"
            )
