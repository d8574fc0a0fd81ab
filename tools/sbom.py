"""`make sbom`: a CycloneDX bill of materials for the wheel and for each artifact, in `dist/`."""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from artifact.digest import digest

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
UV = ROOT / ".tools/uv/bin/uv"
CYCLONEDX = ROOT / ".tools/release/bin/cyclonedx-py"


def bill(folder: Path, name: str) -> dict[str, Any]:
    """The bill of a folder of packages; it is the same for the same contents."""
    command: list[str | Path] = [
        CYCLONEDX,
        "environment",
        "-S",
        "--output-reproducible",
        sys.executable,
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(  # noqa: S603 — the pinned tool
        command, env=environment, capture_output=True, text=True, check=True
    )
    made: dict[str, Any] = json.loads(done.stdout)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    made["metadata"]["component"] = {
        "type": "application",
        "bom-ref": "root-component",
        "name": name,
        "version": version,
        "properties": [{"name": "temporal-codec:digest", "value": digest(folder)}],
    }
    return made


def wheel_libraries(folder: Path) -> None:
    """Install what the wheel needs with all its extras, from the lock."""
    locked = folder / "requirements.txt"
    export: list[str | Path] = [
        UV,
        "export",
        "--frozen",
        "--quiet",
        "--no-default-groups",
        "--all-extras",
    ]
    export += ["--no-emit-project", "--output-file", locked]
    subprocess.run(export, cwd=ROOT, check=True)  # noqa: S603
    install: list[str | Path] = [
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        "--target",
        folder,
    ]
    install += ["--only-binary", ":all:", "--require-hashes", "--requirement", locked]
    subprocess.run(install, cwd=ROOT, check=True)  # noqa: S603
    locked.unlink()


def save(made: dict[str, Any], name: str) -> None:
    """Write a bill to `dist/`."""
    DIST.mkdir(exist_ok=True)
    file = DIST / f"{name}.cdx.json"
    file.write_text(json.dumps(made, indent=2) + "\n")
    print(f"{file.relative_to(ROOT)}: {len(made.get('components', ()))} components")


def main(folders: list[str]) -> None:
    """Write the bills of these folders, and that of the wheel."""
    for each in folders:
        save(bill(Path(each), Path(each).name), Path(each).name)
    with tempfile.TemporaryDirectory() as scratch:
        wheel_libraries(Path(scratch))
        save(bill(Path(scratch), "temporal-codec-server"), "temporal-codec-server")


if __name__ == "__main__":
    main(sys.argv[1:])
