"""docs/connect.md: its commands run with the real CLI, and reach the endpoint that they name."""

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.rigs.processes import ROOT
from tests.rigs.temporal import DevServer, cli_environment, dev_server, temporal

PAGE = (ROOT / "docs" / "connect.md").read_text()
COMMANDS = re.findall(r"^\$ (.*temporal .*)$", PAGE, re.MULTILINE)


class Recorder(ThreadingHTTPServer):
    """Notes the headers of each request, and refuses it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.headers: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[DevServer]:
    with dev_server() as running:
        running.cli("workflow", "start", "--type", "T", "--task-queue", "q", "--memo", 'a="b"')
        yield running


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def arguments(command: str, recorder: Recorder) -> list[str]:
    """A command of the page, for this recorder in the place of the server."""
    words = command[command.index("temporal ") :].split()[1:]
    return [w.replace("127.0.0.1:8081", f"127.0.0.1:{recorder.server_port}") for w in words]


def store(service: DevServer, words: list[str]) -> None:
    """Run a command that changes the CLI's own files, in the home folder of this service."""
    subprocess.run([temporal(), *words], env=cli_environment(service.home), check=True)


def test_the_page_has_each_way() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.real("Temporal")
def test_the_endpoint_of_a_profile_is_used(service: DevServer, recorder: Recorder) -> None:
    """`config set` stores it for all commands that follow."""
    store(service, arguments(COMMANDS[0], recorder))
    try:
        service.try_cli("workflow", "list")
        assert recorder.headers
    finally:
        for file in Path(service.home).rglob("temporal.toml"):
            file.unlink()


@pytest.mark.real("Temporal")
def test_the_endpoint_of_an_environment_is_used(service: DevServer, recorder: Recorder) -> None:
    store(service, arguments(COMMANDS[1], recorder))
    service.try_cli("workflow", "list", "--env", "local")
    assert recorder.headers


@pytest.mark.real("Temporal")
def test_the_token_and_the_header_arrive(service: DevServer, recorder: Recorder) -> None:
    """As the page writes them: the token with its scheme, and the reason."""
    service.try_cli(*arguments(COMMANDS[2], recorder), "--codec-auth", "Bearer the-token")
    assert recorder.headers[-1]["authorization"] == "Bearer the-token"
    service.try_cli(*arguments(COMMANDS[3], recorder))
    assert recorder.headers[-1]["x-codec-reason"] == "INC-4711"


def test_no_text_puts_a_token_or_a_key_into_arguments() -> None:
    """20.15: other users of a machine see them, and the shell's history keeps them."""
    folders = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
    code = [*(ROOT / "handlers").rglob("*.py"), *(ROOT / "codec").rglob("*.py")]
    shown = re.compile(r"""--codec-auth[ =]\W*bearer|--api-key[ =]|-H \W*authorization: *bearer""")
    found = [each for each in (*folders, *code) if shown.search(each.read_text().lower())]
    assert not found
