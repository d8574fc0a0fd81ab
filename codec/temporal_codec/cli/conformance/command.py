"""`temporal-codec conformance`: whether a Codec Server keeps the contract of Temporal's clients."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.conformance import report
from temporal_codec.cli.conformance.server import Server
from temporal_codec.cli.conformance.suite import conforms, results
from temporal_codec.cli.conformance.vectors import SAMPLES, Known, samples_key
from temporal_codec.cli.doctor.connection import Connection
from temporal_codec.cli.doctor.endpoint import read_endpoint, read_origin
from temporal_codec.cli.doctor.faults import ENDLESS, NO_ANSWER, NOT_HTTP
from temporal_codec.cli.doctor.finding import Unreached
from temporal_codec.cli.doctor.given import read_token
from temporal_codec.cli.errors import WrongUsage
from temporal_codec.cli.keys.text import parse_key
from temporal_codec.cli.options import AsJson, CaFile, Namespace, Timeout, TokenFile, Url
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import KEY_BYTES, Key

_MAX_KEY = 200
_ANSWERED_BADLY = {NO_ANSWER.id, NOT_HTTP.id, ENDLESS.id}


def conformance(  # noqa: PLR0913 — a command's options are its arguments
    url: Url,
    *,
    key_id: Annotated[str, typer.Option(help="The id of a key that the server has.")] = SAMPLES,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Its 32 bytes, raw or in base64. Default: the key of the samples."),
    ] = None,
    namespace: Namespace = "default",
    origin: Annotated[
        str, typer.Option(help="A page that the server allows: scheme, host and port.")
    ] = "http://localhost:8233",
    without_browser: Annotated[
        bool, typer.Option("--without-browser", help="Leave out what only a web page needs (CORS).")
    ] = False,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    timeout: Timeout = 10,
    as_json: AsJson = False,
    junit: Annotated[
        Path | None, typer.Option(help="Also write the results to this file as JUnit XML.")
    ] = None,
) -> None:
    """Check a Codec Server against the contract of Temporal's clients.

    The server must have a key that you know: by default that of Temporal's samples, with the id
    test-key-id. Status 0 if every `must` holds, 1 if not, 2 if the command is used wrongly.
    """
    endpoint = read_endpoint(url, namespace)
    server = Server(
        endpoint,
        Connection(endpoint, ca_file, timeout),
        Known(_key(key_id, key_file)),
        namespace,
        read_origin(origin),
        read_token(token_file, os.environ),
    )
    _connect(server)
    found = []
    for result in results(server, without_browser=without_browser):
        found.append(result)
        if not as_json:
            typer.echo(report.line(result))
    typer.echo(report.as_json(endpoint.url, found) if as_json else report.summary(found))
    if junit is not None:
        _write(junit, report.as_junit(endpoint.url, found))
    if not conforms(found):
        raise typer.Exit(1)


def _connect(server: Server) -> None:
    # Without a connection, every check would fail for the same reason.
    try:
        server.post({"payloads": []})
    except Unreached as fault:
        if fault.finding.id not in _ANSWERED_BADLY:
            raise WrongUsage(f"{fault.finding.message} {fault.finding.next}") from None


def _key(key_id: str, file: Path | None) -> Key:
    try:
        secret = samples_key().secret if file is None else _secret(file)
        return Key(key_id, secret, datetime.now(UTC))
    except KeyringError as error:
        raise WrongUsage(f"--key-id or --key-file: {error}.") from None


def _secret(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MAX_KEY)
    except OSError as error:
        raise WrongUsage(f"--key-file: cannot read {file}: {error.strerror}.") from None
    return raw if len(raw) == KEY_BYTES else parse_key(raw)


def _write(file: Path, text: bytes) -> None:
    try:
        file.write_bytes(text)
    except OSError as error:
        raise WrongUsage(f"--junit: cannot write {file}: {error.strerror}.") from None
