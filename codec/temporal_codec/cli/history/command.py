"""`temporal-codec history`: find plaintext in histories, and decode them offline."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.history.decode import (
    UNKNOWN_ENCODING,
    UNKNOWN_ENVELOPE,
    UNKNOWN_MEMBER,
    Decoder,
    decoded,
)
from temporal_codec.cli.history.file import HistoryFile
from temporal_codec.cli.history.places import State
from temporal_codec.cli.history.scan import Report, scanned
from temporal_codec.cli.history.server import fetch
from temporal_codec.cli.keys.rings import open_keys
from temporal_codec.cli.options import AsJson, Ring
from temporal_codec.cli.progress import plural, track_items
from temporal_codec.cli.scratch import written_at_once

app = typer.Typer(
    help="Exported histories: find plaintext in them, and decode them.",
    no_args_is_help=True,
)

_REASONS = {
    "unknown-key": "the ring has no key with that id",
    "no-keyring": "the key ring does not exist",
    "authentication": "changed, or encrypted with another key of that id",
    "foreign-format": "another system's format, not this codec's",
    UNKNOWN_ENCODING: "the encoding is not one of this codec's",
    UNKNOWN_ENVELOPE: "the envelope of a system operation that this version does not know",
    UNKNOWN_MEMBER: "the payload has members that this version does not know",
}


@app.command()
def scan(  # noqa: PLR0913 — a command's options are its arguments
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Exported histories; - for input.")
    ] = None,
    *,
    workflow_id: Annotated[
        str | None, typer.Option(help="Read this workflow's history from a Temporal Service.")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Its run. Default: the latest.")] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Its namespace; with --ring, that of the keys.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="HOST:PORT of the Temporal Service.")] = None,
    ring: Annotated[
        str | None,
        typer.Option(
            help="Also decrypt every payload with this ring: file:PATH, a PATH, "
            "secretsmanager:NAME, kms:ALIAS-OR-ARN, or development."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every payload of a history and its encoding. Status 1 if any is in plaintext.

    Without --ring a payload counts as encrypted by its form: encoding, key id and length. With
    --ring it must decrypt. Status 2 if there is no history. Messages and stack traces of failures
    count too. Search attributes are visible by design.
    """
    if (file is None) == (workflow_id is None):
        raise WrongUsage("Choose a history: either a FILE or --workflow-id.")
    if workflow_id is not None:
        histories: Sequence[HistoryFile] = [fetch(workflow_id, run_id, namespace, address)]
    else:
        histories = HistoryFile.read(file or Path())
    keys = open_keys(ring, namespace or "default") if ring else None
    reports = [
        scanned(history, track_items(history, "Scanning", len(history)), keys)
        for history in histories
    ]
    if as_json:
        typer.echo(json.dumps(_document(reports), indent=2))
    else:
        _show(reports)
    for report in reports:
        for reason, count in report.unproven.items():
            _tell(f"{plural(count, 'place')} not proven: {_REASONS.get(reason, reason)}.")
        for warning in report.warnings:
            _tell(f"Warning: {warning}")
    if any(report.counts[State.PLAINTEXT] + report.counts[State.UNPROVEN] for report in reports):
        raise typer.Exit(1)


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Exported histories; - for input.")],
    *,
    ring: Ring,
    namespace: Annotated[
        str, typer.Option(help="The history's namespace. It also replaces {namespace} in the ring.")
    ] = "default",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to this file; with several histories, a file for each into this folder. "
            "Default: print.",
        ),
    ] = None,
) -> None:
    """Decode histories without a server, for the Web UI's import or an SDK's replayer.

    The result is plaintext; only you can read the file. Status 1 if a payload stays encoded.
    """
    keys = open_keys(ring, namespace)
    histories = HistoryFile.read(file)
    if len(histories) > 1 and (output is None or output.is_file()):
        raise WrongUsage(f"{file} holds {len(histories)} histories. Name a folder with --output.")
    left = 0
    for number, history in enumerate(histories, 1):
        target = output if len(histories) == 1 else _numbered(output or Path(), number)
        left += _decode(history, Decoder(keys), target)
    if left:
        raise typer.Exit(1)


def _decode(history: HistoryFile, decoder: Decoder, output: Path | None) -> int:
    with _sink(output) as sink:
        for piece in track_items(decoded(history, decoder), "Decoding", len(history)):
            sink.write(piece)
    _tell(f"Decoded {plural(decoder.opened, 'payload')} in {plural(len(history), 'event')}.")
    for reason, count in decoder.left.items():
        stay = "stays" if count == 1 else "stay"
        _tell(f"{plural(count, 'payload')} {stay} encoded: {_REASONS.get(reason, reason)}.")
    return decoder.left.total()


def _numbered(folder: Path, number: int) -> Path:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CliError(f"Cannot make the folder {folder}: {error.strerror}.") from None
    return folder / f"history-{number:04}.json"


def _document(reports: Sequence[Report]) -> object:
    documents = [report.document() for report in reports]
    return documents[0] if len(documents) == 1 else {"histories": documents}


def _show(reports: Sequence[Report]) -> None:
    for number, report in enumerate(reports, 1):
        if len(reports) > 1:
            typer.echo(f"History {number} of {len(reports)}:")
        for row in report.rows:
            typer.echo(f"{row.state:<9}  {row.encoding:<16}  {row.path}")
        typer.echo(report.summary())


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with written_at_once(output) as file:
        yield file


def _tell(sentence: str) -> None:
    # Not on stdout, which may carry the history.
    typer.echo(sentence, err=True)
