"""Variables of other programs that would log content: the server does not start with them."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.settings.environ import SettingsError
from handlers.settings.leaks import LEAKS
from handlers.settings.server import server_settings
from handlers.startup import collect_garbage_again, lambda_function
from tests.rigs.processes import ROOT, clean_environment

ON_SAM_LOCAL = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_SAM_LOCAL": "true", "AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("value", ["1", "true", "True", "/tmp/keys", "0.1"])
def test_the_start_is_refused_and_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is refused"):
        server_settings({name: value})


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("value", ["", "0", "false", "FALSE", "no"])
def test_switched_off_it_does_no_harm(name: str, value: str) -> None:
    """Each as its own reader understands it: Python's and OpenSSL's are on with any text."""
    if value and not name.startswith(("POWERTOOLS_", "DD_")):
        with pytest.raises(SettingsError, match=f"^{name} is refused"):
            server_settings({name: value})
    else:
        assert server_settings({name: value}).operations


@pytest.mark.parametrize(
    ("name", "sees"),
    [
        ("PYTHONASYNCIODEBUG", "asyncio.new_event_loop().get_debug()"),
        ("PYTHONDEVMODE", "sys.flags.dev_mode"),
        ("SSLKEYLOGFILE", "ssl.create_default_context().keylog_filename"),
    ],
)
@pytest.mark.parametrize("value", ["0", "false", " "])
def test_any_text_switches_these_on(name: str, sees: str, value: str, tmp_path: Path) -> None:
    """Why `0` is refused: PYTHONASYNCIODEBUG=0 logs bodies, and SSLKEYLOGFILE=0 writes to `0`."""
    said = subprocess.run(
        [sys.executable, "-c", f"import asyncio, ssl, sys; print(bool({sees}))"],
        cwd=tmp_path,
        env=clean_environment({name: value}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "True\n"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("handlers.decode", "POWERTOOLS_LOGGER_LOG_EVENT"),
        ("handlers.encode", "PYTHONASYNCIODEBUG"),
        ("handlers.preflight", "SSLKEYLOGFILE"),
        ("handlers.rotation", "POWERTOOLS_DEBUG"),
    ],
)
def test_no_entry_starts_with_it(module: str, name: str, tmp_path: Path) -> None:
    """The key log of TLS would be a file: nothing is written to it either."""
    value = str(tmp_path / "keys") if name == "SSLKEYLOGFILE" else "1"
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT,
        env=clean_environment({**ON_SAM_LOCAL, name: value}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{name} is refused" in done.stderr


class Context:
    """What Powertools asks of a Lambda context."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "test"
    function_version = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


def test_an_event_is_not_logged_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Token, signature and body: the library's own switch is overridden where it is called."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "test")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    handler = lambda_function(ON_SAM_LOCAL)
    event: dict[str, Any] = json.loads((ROOT / "tests/events/http-api-plain.json").read_text())
    event = {**event.get("event", event)}
    event["headers"] = {**event.get("headers", {}), "authorization": "Bearer canary-token"}
    event["body"] = '{"payloads":[{"data":"canary-body"}]}'
    try:
        handler(event, Context())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        collect_garbage_again()
    written = "".join(capfd.readouterr())
    assert "codec.request" in written
    assert "canary" not in written
