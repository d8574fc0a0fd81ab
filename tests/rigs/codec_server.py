"""The Codec Server as `make run` starts it, with settings of a test's own."""

import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.rigs.processes import Running, clean_environment, free_port, listens, running


@dataclass
class CodecServer:
    """A Codec Server that answers at `url`."""

    url: str
    client: httpx.Client
    running: Running

    def post(
        self,
        path: str,
        body: bytes | str,
        *,
        namespace: str | None = "default",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a body as the Web UI does."""
        sent = {"content-type": "application/json", **(headers or {})}
        if namespace is not None:
            sent.setdefault("x-namespace", namespace)
        return self.client.post(path, content=body, headers=sent)

    def log(self) -> str:
        """What the server has written."""
        return self.running.log()


@contextmanager
def codec_server(
    settings: Mapping[str, str] | None = None, stdout: str | None = None
) -> Iterator[CodecServer]:
    """Run the local server with these settings, on a free port.

    `stdout` is a file for what it writes there, in place of its log.
    """
    port = int((settings or {}).get("PORT") or free_port())
    environment = clean_environment({"PORT": str(port), **(settings or {})})
    scheme = "https" if "TLS_CERT" in environment else "http"
    url = f"{scheme}://127.0.0.1:{port}"
    command = [sys.executable, "-m", "handlers.local"]
    if stdout is not None:
        command = ["sh", "-c", f'exec "$0" "$@" > {stdout}', *command]
    trusting = ssl.create_default_context(cafile=environment.get("TLS_CERT"))
    with (
        running(command, lambda: listens(port), environment) as process,
        httpx.Client(base_url=url, timeout=30, trust_env=False, verify=trusting) as client,
    ):
        yield CodecServer(url, client, process)
