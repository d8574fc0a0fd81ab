"""What is published: the distributions as a user installs them, bills of materials, the audit."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import jsonschema
import pytest

from tests.codec.cli.terminal import temporal_codec
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT
from tests.rigs.sam import make
from tests.rigs.temporal import temporal
from tools import audit

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *(file for top in ("codec", "handlers", "examples") for file in (ROOT / top).rglob("*.py")),
]


def test_the_metadata_is_complete() -> None:
    """What an index shows: who, what for, which Pythons, and where everything is."""
    assert set(PROJECT["urls"]) == {"Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())
    assert (
        len(
            {
                url.split("/tree/")[0].split("/blob/")[0].removesuffix("/issues")
                for url in PROJECT["urls"].values()
            }
        )
        == 1
    )
    for member in ("authors", "description", "keywords", "license", "readme", "requires-python"):
        assert PROJECT[member], member


def test_the_command_prints_the_version() -> None:
    """`temporal-codec --version` is what pyproject.toml says."""
    told = temporal_codec("--version")
    assert told.stdout == f"temporal-codec {PROJECT['version']}\n"


def test_the_changelog_has_an_entry_for_what_comes() -> None:
    """Every release has its section; what is not released stands above."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_nobody_is_told_to_install_a_name_that_no_index_has(file: Path) -> None:
    """Nothing is published: a page or a message names a checkout or the wheel's file."""
    text = file.read_text()
    assert not re.findall(r"install (?:-\S+ )*['\"]?temporal-codec", text)
    assert not re.findall(r"temporal-codec-server\[", text)


@pytest.mark.real("Temporal")
def test_the_distributions_work_as_a_user_installs_them() -> None:
    """An empty environment, a codec.py and a cli.py of the user's own, worker and command."""
    temporal()
    make("release-tools")
    done = subprocess.run(
        ["make", "release-check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metadata and contents are correct" in done.stdout
    assert f"temporal-codec {PROJECT['version']}: the command works" in done.stdout
    assert "The worker example ran: a kettle collected by Ada Lovelace" in done.stdout


@pytest.fixture(scope="module")
def bills() -> dict[str, dict[str, object]]:
    """The bills of materials, by name."""
    make("sbom")
    files = (ROOT / "dist").glob("*.cdx.json")
    return {file.name.removesuffix(".cdx.json"): json.loads(file.read_text()) for file in files}


def test_every_artifact_and_the_wheel_have_a_bill(bills: dict[str, dict[str, object]]) -> None:
    """CycloneDX; every library of the artifact is in it, with its version."""
    assert {"DecodeFunction", "PreflightFunction", "temporal-codec-server"} <= set(bills)
    folder = ROOT / ".aws-sam/build/DecodeFunction"
    installed = {
        line.removesuffix(".dist-info").partition("-")[0].lower().replace("_", "-")
        for line in (each.name for each in folder.glob("*.dist-info"))
    }
    assert installed
    assert names(bills["DecodeFunction"]) == installed
    assert "temporalio" in names(bills["temporal-codec-server"])
    assert not names(bills["PreflightFunction"])


def names(bill: dict[str, object]) -> set[str]:
    components = bill.get("components", [])
    assert isinstance(components, list)
    return {each["purl"].split("/")[-1].partition("@")[0] for each in components}


def test_a_bill_names_the_digest_of_what_it_lists(bills: dict[str, dict[str, object]]) -> None:
    """`make digest` prints the same number, and so do the release notes."""
    printed = subprocess.run(
        ["make", "--silent", "digest"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    number = bills["DecodeFunction"]["metadata"]["component"]["properties"][0]["value"]  # type: ignore[index]
    assert f"{number} DecodeFunction" in printed


SERVICE_SCHEMA = {"type": "object", "required": ["package", "version"]}


@contextmanager
def vulnerabilities(found: dict[str, str]) -> Iterator[str]:
    """A small OSV service that knows a vulnerability for some packages; gives its address."""

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            jsonschema.validate(asked, SERVICE_SCHEMA)
            name = asked["package"]["name"]
            known = [{"id": found[name], "affected": []}] if name in found else []
            body = json.dumps({"vulns": known} if known else {}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/query"
    finally:
        server.shutdown()
        server.server_close()


def audited(found: dict[str, str]) -> tuple[int, str]:
    """What `make audit` says of uv's lock where the service knows these vulnerabilities."""
    if not audit.PIP_AUDIT.exists():
        lack("pip-audit", "make release-check installs it")
    with vulnerabilities(found) as url:
        lock = ROOT / "tools/uv.txt"
        return audit.report("uv", audit.audit(lock, ["-s", "osv", "--osv-url", url]))


@pytest.mark.usefixtures("bills")
def test_a_published_vulnerability_fails_the_audit() -> None:
    """It is named with the package and version."""
    status, text = audited({"uv": "OSV-1"})
    assert status == 1
    assert "OSV-1" in text


@pytest.mark.usefixtures("bills")
def test_a_clean_audit_says_how_much_it_looked_at() -> None:
    assert audited({}) == (0, "uv: no known vulnerability in 1 packages")


@pytest.mark.usefixtures("bills")
def test_an_audit_without_its_service_says_so() -> None:
    """Nothing checked is never told as nothing found."""
    nowhere = ["-s", "osv", "--osv-url", "http://127.0.0.1:1/query"]
    status, text = audit.report("uv", audit.audit(ROOT / "tools/uv.txt", nowhere))
    assert status == 2
    assert "NOT CHECKED" in text
