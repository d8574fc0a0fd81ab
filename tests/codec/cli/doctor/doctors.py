"""`temporal-codec doctor` as tests call it."""

import importlib
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from temporal_codec.cli import doctor as package
from temporal_codec.cli.app import app
from temporal_codec.cli.doctor.finding import Kind
from tests.rigs.doctor_faults import (
    Case,
)
from tests.rigs.faulty_server import (
    Server,
    faulty_server,
    good,
)
from tests.rigs.issuer import certificate


@dataclass
class Told:
    """What the doctor said, and how it ended."""

    code: int
    said: str

    @property
    def document(self) -> Any:
        return json.loads(self.said)

    @property
    def findings(self) -> dict[str, dict[str, str]]:
        return {each["id"]: each for each in self.document["findings"]}

    def ids(self, *severities: str) -> set[str]:
        return {name for name, each in self.findings.items() if each["severity"] in severities}


def doctor(
    *arguments: str | Path, given: str | None = None, for_cli: str | None = None, typed: str = ""
) -> Told:
    """Run `temporal-codec doctor --json`, with tokens in the environment, if they are given."""
    variables = {"TEMPORAL_CODEC_TOKEN": given, "TEMPORAL_CODEC_AUTH": for_cli}
    environment = {name: value for name, value in variables.items() if value}
    words = ["doctor", "--json", *map(str, arguments)]
    result = CliRunner().invoke(app, words, input=typed, env=environment)
    assert isinstance(result.exception, SystemExit | None), repr(result.exception)
    for part in f"{given or ''}.{for_cli or ''}".split("."):
        assert len(part) < 16 or part not in result.output
    return Told(result.exit_code, result.output)


def kinds() -> dict[str, Kind]:
    """Everything that the doctor can find."""
    modules = [
        importlib.import_module(f"{package.__name__}.{path.stem}")
        for path in Path(*package.__path__).glob("[a-z]*.py")
    ]
    values = [value for module in modules for value in vars(module).values()]
    values += [each for value in values if isinstance(value, dict) for each in value.values()]
    found = {value.id: value for value in values if isinstance(value, Kind)}
    assert len(found) > 60
    return found


@contextmanager
def serving(case: Case, folder: Path) -> Iterator[tuple[Server, list[str | Path]]]:
    """The server of a case, and how the doctor is called then."""
    cert, key = certificate(
        folder, hosts=("localhost", "codec.test"), address=case.address, days=case.days
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if case.https else None
    if tls:
        tls.load_cert_chain(cert, key)
    trust: list[str | Path] = ["--ca-file", cert] if case.trusted else []
    with faulty_server(good(case.asks), case.fault, tls) as server:
        yield server, [case.url.format(port=server.port), *trust, *case.arguments]


def examine(case: Case, folder: Path) -> Told:
    with serving(case, folder) as (_, arguments):
        return doctor(*arguments, given=case.token, for_cli=case.codec_auth)
