"""`temporal-codec history`: prove that a history holds no plaintext, and read one offline."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, NamedTuple

import typer

from temporal_codec.cli.errors import WrongUsage
from temporal_codec.cli.history.decode import Decoder, decoded
from temporal_codec.cli.history.file import HistoryFile
from temporal_codec.cli.history.places import State, places
from temporal_codec.cli.history.server import fetch
from temporal_codec.cli.keys.rings import open_keys
from temporal_codec.cli.progress import counted
from temporal_codec.cli.scratch import whole

app = typer.Typer(
    help="Exported histories: prove that they hold no plaintext, and decode them.",
    no_args_is_help=True,
)

_REASONS = {
    "unknown-key": "the ring has no key of that id",
    "no-keyring": "there is no such key ring",
    "authentication": "they were changed, or sealed with another key of that id",
}


class Row(NamedTuple):
    """What the report says about a place."""

    state: State
    encoding: str
    path: str


@app.command()
def scan(  # noqa: PLR0913 — a command's options are its arguments
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An exported history.")
    ] = None,
    *,
    workflow_id: Annotated[
        str | None, typer.Option(help="Read this workflow's history from a Temporal Service.")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Its run; else the latest.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Its namespace.")] = None,
    address: Annotated[str | None, typer.Option(help="HOST:PORT of the Temporal Service.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List every payload of a history and its encoding; status 1 if any is in plaintext.

    Status 2 if there is no history to look at. Messages and stack traces of failures count, too.
    Search attributes are visible by design.
    """
    if (file is None) == (workflow_id is None):
        raise WrongUsage("Say which history: either a FILE or --workflow-id.")
    if workflow_id is not None:
        history = fetch(workflow_id, run_id, namespace, address)
    else:
        history = HistoryFile.read(file or Path())
    rows = [
        Row(place.state, place.encoding, place.path)
        for index, event in enumerate(counted(history, "Scanning", len(history)))
        for place in places(event, index)
    ]
    counts = {state.value: sum(row.state is state for row in rows) for state in State}
    if as_json:
        document = {"counts": counts, "places": [row._asdict() for row in rows]}
        typer.echo(json.dumps(document, indent=2))
    else:
        for row in rows:
            typer.echo(f"{row.state:<9}  {row.encoding:<16}  {row.path}")
        typer.echo(_summary(counts, len(history)))
    if counts[State.PLAINTEXT]:
        raise typer.Exit(1)


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported history.")],
    *,
    ring: Annotated[
        str, typer.Option(help="file:PATH, a PATH, secretsmanager:NAME, or development.")
    ],
    namespace: Annotated[
        str, typer.Option(help="Where the history comes from; it takes {namespace}'s place.")
    ] = "default",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; else it is printed.")
    ] = None,
) -> None:
    """Decode a history without a server, for the Web UI's import or an SDK's replayer.

    The result is plaintext: a file is readable by you alone. Status 1 if a payload stays encoded.
    """
    decoder = Decoder(open_keys(ring, namespace))
    history = HistoryFile.read(file)
    with _sink(output) as sink:
        for piece in counted(decoded(history, decoder), "Decoding", len(history)):
            sink.write(piece)
    _tell(f"Decoded {decoder.opened} payloads in {len(history)} events.")
    for reason, count in decoder.left.items():
        _tell(f"{count} stay encoded: {_REASONS.get(reason, reason)}.")
    if decoder.left:
        raise typer.Exit(1)


def _summary(counts: dict[str, int], events: int) -> str:
    plaintext = counts[State.PLAINTEXT]
    return (
        f"{events} events: {counts[State.ENCRYPTED]} places encrypted, "
        f"{plaintext or 'none'} in plaintext, {counts[State.VISIBLE]} visible by design."
    )


@contextmanager
def _sink(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with whole(output) as file:
        yield file


def _tell(sentence: str) -> None:
    # Not on stdout, where the history may be.
    typer.echo(sentence, err=True)
