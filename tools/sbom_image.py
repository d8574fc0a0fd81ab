"""The bill of materials of a container image: our folder's packages, and those of its Debian."""

import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from tools.sbom import bill, save

APP = "app"
# Of Debian itself, and of images that have no package manager.
_PACKAGES = re.compile(r"var/lib/dpkg/status(\.d/[^/]+)?")


@contextmanager
def contents(image: str) -> Iterator[Path]:
    """A folder with what the bill needs of an image's files."""
    made = _docker("create", image).decode().strip()
    try:
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            _docker("export", "--output", str(archive), made)
            with tarfile.open(archive) as files:
                files.extractall(folder, filter=_wanted)  # noqa: S202 — data_filter checks each
            yield Path(folder)
    finally:
        _docker("rm", made)


def _docker(*arguments: str) -> bytes:
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def _wanted(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    if member.name.startswith(f"{APP}/") or _PACKAGES.fullmatch(member.name):
        return tarfile.data_filter(member, folder)
    return None


def debian(folder: Path) -> list[dict[str, Any]]:
    """Every Debian package of a root file system, as components."""
    status = folder / "var/lib/dpkg"
    files = [status / "status", *sorted((status / "status.d").glob("*"))]
    texts = [part for file in files if file.is_file() for part in file.read_text().split("\n\n")]
    fields = [HeaderParser().parsestr(text.strip()) for text in texts if text.strip()]
    return [_component(each["Package"], each["Version"]) for each in fields if each["Version"]]


def _component(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main(image: str) -> None:
    """Write the bill of an image to `dist/image.cdx.json`."""
    with contents(image) as folder:
        made = bill(folder / APP, image)
        made.setdefault("components", []).extend(debian(folder))
    identity = _docker("image", "inspect", "--format", "{{.Id}}", image).decode().strip()
    component = made["metadata"]["component"]
    component["type"] = "container"
    component["properties"].append({"name": "temporal-codec:image", "value": identity})
    save(made, "image")


if __name__ == "__main__":
    main(*sys.argv[1:])
