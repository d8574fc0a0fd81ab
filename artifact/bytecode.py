"""Modules compiled beforehand: Lambda's folder is read-only, so it would do it at each start.

Ours stay beside their source. Of a library the bytecode alone stays: tracebacks still name its
files, functions and lines, and the artifact is a megabyte smaller.
Nothing in the bytecode tells when or where it was made, and nothing is compared with a source.
"""

import py_compile
import sys
from pathlib import Path

MATCHES = sys.version_info[:2] == (3, 13)
"""Whether this interpreter's bytecode is that of Lambda's."""
OURS = ("temporal_codec", "handlers")
_ON_LAMBDA = Path("/var/task")


def compile_all(folder: Path) -> None:
    """Compile every module in a folder; raises py_compile.PyCompileError."""
    for source in sorted(folder.rglob("*.py")):
        name = source.relative_to(folder)
        is_ours = name.parts[0] in OURS
        py_compile.compile(
            str(source),
            cfile=None if is_ours else str(source.with_suffix(".pyc")),
            dfile=str(_ON_LAMBDA / name),
            doraise=True,
            optimize=0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not is_ours:
            source.unlink()
