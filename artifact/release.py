"""A name for what is deployed: one for each set of code and parameters.

CloudFormation publishes a version of a function where its code has changed. With this name as a
parameter it does so where a parameter has changed, too.
"""

import hashlib
import shlex
import tomllib
from pathlib import Path

from artifact.digest import digest

NAME = "Release"


def overrides(config: Path, environment: str) -> dict[str, str]:
    """The template's parameters that an environment of samconfig.toml sets."""
    read = tomllib.loads(config.read_text())
    given = read.get(environment, {}).get("deploy", {}).get("parameters", {})
    pairs = given.get("parameter_overrides", [])
    listed = shlex.split(pairs) if isinstance(pairs, str) else pairs
    return dict(_unquoted(pair).split("=", 1) for pair in listed)


def _unquoted(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={''.join(shlex.split(value)) if value.startswith(chr(34)) else value}"


def release(built: Path, parameters: dict[str, str]) -> str:
    """32 hexadecimal digits for the artifacts of a build, its template and these parameters."""
    total = hashlib.sha256(digest(built).encode())
    for name, value in sorted(parameters.items()):
        if name != NAME:
            total.update(f"{name}={value}\0".encode())
    return total.hexdigest()[:32]
