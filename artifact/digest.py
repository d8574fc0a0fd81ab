"""One number for all that a folder holds."""

import hashlib
from pathlib import Path


def digest(folder: Path) -> str:
    """SHA-256, in hex, over each file's path, size and contents, in the order of the paths.

    Times, owners and permissions do not count.
    """
    total = hashlib.sha256()
    files = {each.relative_to(folder).as_posix(): each for each in folder.rglob("*")}
    for name, file in sorted(files.items()):
        if file.is_file():
            contents = file.read_bytes()
            total.update(f"{name}\0{len(contents)}\0".encode())
            total.update(contents)
    return total.hexdigest()
