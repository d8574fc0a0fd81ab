"""botocore's descriptions of services, cut down to what is called.

It reads them whenever a client is made, and they are large: this halves the time that the
clients take, and saves 0.3 MB. Whatever else is asked for fails as unknown.
"""

import gzip
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

CALLED = {
    "kms": ("Decrypt", "GenerateDataKey"),
    "s3": ("GetObject",),
    "secretsmanager": (
        "BatchGetSecretValue",
        "DescribeSecret",
        "GetSecretValue",
        "ListSecrets",
        "PutSecretValue",
        "UpdateSecretVersionStage",
    ),
    "ssm": ("GetParameter",),
}
"""Every operation of AWS that a function calls, by service."""


def cut(folder: Path) -> None:
    """Cut the descriptions in an artifact's folder down, where botocore is in it."""
    data = folder / "botocore/data"
    for service, operations in CALLED.items():
        for packed in list(data.glob(f"{service}/*/service-2.json.gz")):
            model = json.loads(gzip.decompress(packed.read_bytes()))
            _write(packed.with_suffix(""), with_operations(model, operations))
            packed.unlink()
    for file in data.glob("endpoints.json"):
        endpoints = json.loads(file.read_bytes())
        for partition in endpoints["partitions"]:
            partition["services"] = _only(partition["services"], CALLED)
        _write(file, endpoints)


def with_operations(model: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A service's model with these operations alone, and the shapes that they need."""
    operations = _only(model["operations"], names)
    missing = set(names) - operations.keys()
    if missing:
        raise KeyError(f"botocore does not know {', '.join(sorted(missing))}")
    needed: set[str] = set()
    waiting = _references(operations)
    while waiting:
        needed |= waiting
        waiting = _references([model["shapes"][name] for name in waiting]) - needed
    return {**model, "operations": operations, "shapes": _only(model["shapes"], needed)}


def _references(part: Any) -> set[str]:  # noqa: ANN401 — any piece of a JSON document
    found: set[str] = set()
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            found.add(part["shape"])
        part = list(part.values())
    if isinstance(part, list):
        found = found.union(*map(_references, part))
    return found


def _only(members: dict[str, Any], names: Container[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name in names}


def _write(file: Path, document: object) -> None:
    file.unlink(missing_ok=True)  # uv links it to its cache, which must stay as it is
    file.write_text(json.dumps(document, separators=(",", ":")))
