"""`make audit`: published vulnerabilities of every locked library and tool.

Arguments are passed to pip-audit, for example a mirror of the service: `--osv-url URL`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
UV = ROOT / ".tools/uv/bin/uv"
PIP_AUDIT = ROOT / ".tools/release/bin/pip-audit"
OFFLINE = (
    "{name}: NOT CHECKED. The vulnerability service did not answer for {skipped} of {total} "
    "packages. Run `make audit` again with access to it, or name a mirror in AUDIT."
)


def locks(folder: Path) -> dict[str, Path]:
    """Requirements with hashes, by a name for people: uv.lock, and each tool's."""
    exported = folder / "uv.lock.txt"
    command: list[str | Path] = [
        UV,
        "export",
        "--frozen",
        "--quiet",
        "--all-groups",
        "--all-extras",
    ]
    command += ["--no-emit-project", "--output-file", exported]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 — the pinned uv
    tools = sorted((ROOT / "tools").glob("*.txt"))
    return {"uv.lock": exported, **{f"tools/{each.name}": each for each in tools}}


def audit(lock: Path, more: list[str]) -> list[dict[str, Any]] | None:
    """What pip-audit says of each package; None if it reaches no service at all."""
    command: list[str | Path] = [
        PIP_AUDIT,
        "--require-hashes",
        "--disable-pip",
        "--requirement",
        lock,
    ]
    command += ["--format", "json", "--progress-spinner", "off", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — pinned
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return None
    return packages


def report(name: str, packages: list[dict[str, Any]] | None) -> tuple[int, str]:
    """The exit status for one lock file, and what to print: 1 for faults, 2 for not checked."""
    packages = packages or []
    skipped = [each for each in packages if "skip_reason" in each]
    faults = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for each in packages
        for fault in each.get("vulns", ())
    ]
    if faults:
        return 1, "\n".join([f"{name}: {len(faults)} vulnerabilities", *faults])
    if skipped or not packages:
        counts = {"skipped": len(skipped) or "all", "total": len(packages) or "all"}
        return 2, OFFLINE.format(name=name, **counts)
    return 0, f"{name}: no known vulnerability in {len(packages)} packages"


def main(more: list[str]) -> None:
    """Audit every lock file; the exit status is 1 for a vulnerability, 2 for one not checked."""
    statuses = []
    with tempfile.TemporaryDirectory() as folder:
        for name, lock in locks(Path(folder)).items():
            status, text = report(name, audit(lock, more))
            print(text, flush=True)
            statuses.append(status)
    sys.exit(1 if 1 in statuses else max(statuses))


if __name__ == "__main__":
    main(sys.argv[1:])
