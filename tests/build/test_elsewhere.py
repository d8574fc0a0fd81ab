"""A fresh clone in an oddly named folder, in an empty environment, behind a TLS-opening proxy.

The folder has blanks and what shells and make read.
The proxy's CA is trusted by the system alone: a tool that brings its own certificates fails.
"""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rigs.intercepting_proxy import intercepting_proxy
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, free_port, listens, running

SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")
# What each tool fetches, small, with the environment that the Makefile gives it.
PROBES = """
include tools.mk
probe-go:
	cd "$(OUT)" && go mod init probe && go get github.com/google/uuid@v1.6.0
probe-npm:
	cd "$(OUT)" && npm pack isarray@2.0.5
probe-mvn:
	mvn --batch-mode --quiet --settings "$(OUT)/settings.xml" -Dmaven.repo.local="$(OUT)/m2" \
		dependency:get -Dartifact=javax.inject:javax.inject:1 -Dtransitive=false
"""
# Maven reads no variable for its proxy.
SETTINGS = """<settings><proxies><proxy><active>true</active><protocol>https</protocol>
<host>127.0.0.1</host><port>PORT</port></proxy></proxies></settings>"""
JAVA_CA = Path("/etc/ssl/certs/java/cacerts")

pytestmark = pytest.mark.real("a system's trust of one's own")


@dataclass(frozen=True)
class Elsewhere:
    """A clone that nothing is installed in, and an environment that holds nothing."""

    folder: Path
    environment: dict[str, str]
    prefix: list[str]

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.prefix, "make", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


def clone(folder: Path) -> None:
    """What git has of this folder, changes that are not committed included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def bare_path() -> str:
    """The PATH without version managers' shims, which need a home of their own."""
    parts = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(part for part in parts if "shims" not in part)


@contextmanager
def behind_proxy(folder: Path) -> Iterator[tuple[dict[str, str], list[str], set[str]]]:
    """Variables, a command's prefix that adds the proxy's CA to the system's, and hosts seen."""
    if os.geteuid() or not SYSTEM_CA.exists() or shutil.which("unshare") is None:
        lack("a system's trust of one's own", "run as root on Debian, with unshare")
    with intercepting_proxy() as (proxy, pem, hosts):
        bundle = folder / "bundle.pem"
        bundle.write_text(SYSTEM_CA.read_text() + pem)
        bind = f"mount --bind '{bundle}' {SYSTEM_CA} && "
        if JAVA_CA.exists() and shutil.which("keytool"):
            bind += f"mount --bind '{_java_store(folder, pem)}' {JAVA_CA} && "
        bind += 'exec "$@"'
        prefix = ["unshare", "--mount", "sh", "-c", bind, "sh"]
        tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
        if tried.returncode:
            lack("a system's trust of one's own", tried.stderr)
        yield {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1"}, prefix, hosts


def _java_store(folder: Path, pem: str) -> Path:
    """Java's form of the system's trust, with the proxy's CA added."""
    store, certificate = folder / "cacerts", folder / "ca.pem"
    shutil.copy(JAVA_CA, store)
    certificate.write_text(pem)
    added = ["keytool", "-importcert", "-noprompt", "-alias", "proxy", "-storepass", "changeit"]
    added += ["-keystore", str(store), "-file", str(certificate)]
    subprocess.run(added, capture_output=True, check=True)
    return store


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Elsewhere, set[str]]]:
    top = tmp_path_factory.mktemp("else where")
    folder, home = top / "it's the co dec #1 & $HOME (new)", top / "ho me"
    home.mkdir()
    clone(folder)
    with behind_proxy(top) as (variables, prefix, hosts):
        yield (
            Elsewhere(folder, {"HOME": str(home), "PATH": bare_path(), **variables}, prefix),
            hosts,
        )


def test_the_proxy_is_a_stranger_to_everybody_else() -> None:
    """Without the system's trust nothing passes: the tests below prove something."""
    with intercepting_proxy() as (proxy, _, hosts):
        _, port = proxy.removeprefix("http://").split(":")
        with socket.create_connection(("127.0.0.1", int(port))) as raw:
            raw.sendall(b"CONNECT example.com:443 HTTP/1.1\r\n\r\n")
            assert raw.recv(1000).startswith(b"HTTP/1.0 200")
            with pytest.raises(ssl.SSLCertVerificationError):
                ssl.create_default_context().wrap_socket(raw, server_hostname="example.com")
        assert not hosts


def test_the_first_command_serves(elsewhere: tuple[Elsewhere, set[str]]) -> None:
    """`make run` installs pip's, uv's and our packages through the proxy, and answers."""
    there, hosts = elsewhere
    port = free_port()
    command = [*there.prefix, "make", "run"]
    environment = {**there.environment, "PORT": str(port)}
    with running(
        command, lambda: listens(port), environment, seconds=280, folder=there.folder
    ) as server:
        assert f"Codec Server on http://127.0.0.1:{port}" in server.log()
    assert len(hosts) >= 2, "the index and the files"


def test_the_artifacts_are_built(elsewhere: tuple[Elsewhere, set[str]]) -> None:
    """`make build` installs the SAM CLI and our libraries; its closing lines tell of bytecode."""
    there, _ = elsewhere
    built = there.make("build")
    assert built.returncode == 0, built.stdout + built.stderr
    last = built.stdout.splitlines()[-4:]
    assert [line.split(":")[0] for line in last] == sorted(
        ["DecodeFunction", "EncodeFunction", "PreflightFunction", "RotationFunction"]
    )
    compiled = all(line.endswith(" MB, with bytecode") for line in last)
    assert compiled or "Install Python 3.13" in built.stderr


@pytest.mark.parametrize("tool", ["go", "npm", "mvn"])
def test_a_tool_trusts_the_systems_certificates(
    tool: str, elsewhere: tuple[Elsewhere, set[str]]
) -> None:
    """With the Makefile's environment it fetches through the proxy."""
    there, hosts = elsewhere
    if shutil.which(tool, path=there.environment["PATH"]) is None:
        lack(tool, "it builds the interop programs")
    (there.folder / "probes.mk").write_text(PROBES)
    out = there.folder.parent / tool
    out.mkdir(exist_ok=True)
    port = there.environment["HTTPS_PROXY"].rpartition(":")[2]
    (out / "settings.xml").write_text(SETTINGS.replace("PORT", port))
    hosts.clear()
    made = there.make("-f", "probes.mk", f"probe-{tool}", f"OUT={out}")
    assert made.returncode == 0, made.stdout + made.stderr
    assert hosts
