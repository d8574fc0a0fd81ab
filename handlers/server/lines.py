"""Standard output for records: each line whole, whatever else writes there and however it fails."""

import io
import os
import sys
from typing import TextIO

if sys.platform != "win32":
    import fcntl


def whole_lines(file: TextIO, *, shared: bool) -> TextIO:
    """The same file, for lines that no other process's line may interrupt if it is `shared`."""
    raw = _Lines(file.fileno(), shared=shared)
    return io.TextIOWrapper(raw, "utf-8", line_buffering=True)  # type: ignore[type-var]


class _Lines(io.RawIOBase):
    # Python's own buffer keeps what a full disk did not take, and writes it when there is room: a
    # record that says 200 for an answer that never left. Here a failed line is never completed.
    def __init__(self, descriptor: int, *, shared: bool) -> None:
        self._descriptor, self._is_torn = descriptor, False
        self._shared = shared and sys.platform != "win32"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes) -> int:  # type: ignore[override]
        rest = memoryview(b"\n" + data if self._is_torn else data)
        # A pipe takes only 4,096 bytes as a whole.
        if self._shared:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
                self._is_torn = len(rest) > 0
        finally:
            if self._shared:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
        return len(data)
