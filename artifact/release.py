"""A name for what is deployed: one for each set of code and parameters.

CloudFormation publishes a version of a function if its code has changed. With this name as a
parameter it publishes one if a parameter has changed, too.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from artifact.digest import digest

NAME = "Release"


def release(built: Path, parameters: Mapping[str, str]) -> str:
    """32 hexadecimal digits for the artifacts of a build, its template and these parameters."""
    total = hashlib.sha256(digest(built).encode())
    for name, value in sorted(parameters.items()):
        if name != NAME:
            total.update(f"{name}={value}\0".encode())
    return total.hexdigest()[:32]
