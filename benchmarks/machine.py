"""What a measurement was made on, for those who compare."""

import platform
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path


def processor() -> str:
    """The processor's name."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


def libraries(names: Iterable[str]) -> str:
    """Python and these libraries, with their versions."""
    told = ", ".join(f"{each} {version(each)}" for each in names)
    return f"Python {platform.python_version()}; {told}"
