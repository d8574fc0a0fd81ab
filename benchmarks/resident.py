"""Resident memory of a process on Linux, in KiB."""

import re
from pathlib import Path


def resident(pid: int) -> int:
    """What it has now."""
    return _field(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most that it ever had, or since `forget_peak`."""
    return _field(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak be what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def session(leader: int) -> list[int]:
    """Every process of the session that one process leads."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # After the name, in parentheses: state, parent, process group, session.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[3]) == leader:
            found.append(int(folder.name))
    return sorted(found)


def _field(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0])
