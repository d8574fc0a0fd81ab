"""Temporal's Web UI as a server of its own, with a login: `make ui-server` installs it.

Its settings are the environment variables of the published container, read by the same file.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.rigs.oidc import CLIENT_ID, CLIENT_SECRET, Provider
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT, clean_environment, listens, running
from tests.rigs.sam import make

_INSTALLED = ROOT / ".tools/ui-server"


@cache
def ui_server() -> Path:
    """The program that the Makefile installs."""
    make("ui-server")
    program = _INSTALLED / "ui-server"
    return program if program.exists() else lack("Temporal's Web UI", "install Go")


def login(port: int, provider: Provider) -> dict[str, str]:
    """The settings of a Web UI at this port that switch its login on."""
    return {
        "TEMPORAL_AUTH_ENABLED": "true",
        "TEMPORAL_AUTH_PROVIDER_URL": provider.url,
        "TEMPORAL_AUTH_CLIENT_ID": CLIENT_ID,
        "TEMPORAL_AUTH_CLIENT_SECRET": CLIENT_SECRET,
        "TEMPORAL_AUTH_CALLBACK_URL": f"http://127.0.0.1:{port}/auth/sso/callback",
        "TEMPORAL_AUTH_SCOPES": "openid,profile,email",
        "SSL_CERT_FILE": str(provider.certificate),
    }


@contextmanager
def web_ui(address: str, port: int, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a Web UI of the Temporal Service at this address; gives its own."""
    program = ui_server()
    environment = {
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_UI_PORT": str(port),
        "TEMPORAL_CSRF_COOKIE_INSECURE": "true",
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder:
        # No variable keeps it on loopback, a file that is read first does.
        (Path(folder) / "base.yaml").write_text("host: 127.0.0.1\n")
        shutil.copy(_INSTALLED / "config/docker.yaml", folder)
        command: list[str | Path] = [
            program,
            "--root",
            folder,
            "--config",
            ".",
            "--env",
            "docker",
            "start",
        ]
        with running(command, lambda: listens(port), clean_environment(environment)):
            yield f"http://127.0.0.1:{port}"
