"""`temporal-codec keys`: make key rings, look at them, rotate them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys import change as ring_change
from temporal_codec.cli.keys import view as ring_view
from temporal_codec.cli.keys.rings import load, open_store
from temporal_codec.cli.keys.text import imported_key
from temporal_codec.keys.key import Key

app = typer.Typer(help="Key rings: make them, look at them, rotate them.", no_args_is_help=True)

Ring = Annotated[
    str, typer.Argument(metavar="RING", help="file:PATH, a PATH, or secretsmanager:NAME.")
]

_READERS = (
    "Writers take it up within 5 minutes. A reader that does not know it yet fetches the ring "
    "when it meets it, but at most once in 30 seconds: until then such a payload comes back as "
    "ciphertext, and a worker's task fails and is tried again."
)
_LEAKED = (
    "A person who has the old keys can still decrypt what they encrypted: docs/operations.md says "
    'what to do, under "A key leaked".'
)
_NO_ARGUMENT = (
    "A key is no argument: it would stay in the shell's history. Give a file with --key-file, or "
    "a pipe, or type it when asked. If this was a key, take it out of the history."
)


@app.command()
def new(ring: Ring) -> None:
    """Make a ring with one key, which seals at once. A ring that exists is left as it is."""
    store = open_store(ring)
    key = ring_change.make(store, _now())
    _say(f"Made {store.uri} with the key {key.label}, which seals from now on.")
    _say(f"Servers and workers use it with CODEC_KEYRING={store.uri}")
    _say("Nobody can make this key again: without the ring no payload can be opened.")


@app.command("list")
def list_(
    ring: Ring, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Show a ring's keys: ids, activation dates, and what each key does now."""
    store, now = open_store(ring), _now()
    _, keys = load(store)
    if as_json:
        document = {"ring": store.uri, "keys": ring_view.rows(keys, now)}
        _say(json.dumps(document, indent=2))
    else:
        ring_view.show(store.uri, keys, now)


@app.command("import", context_settings={"allow_extra_args": True})
def import_(  # noqa: PLR0913 — a command's options are its arguments
    context: typer.Context,
    ring: Ring,
    *,
    key_id: Annotated[
        str | None,
        typer.Option("--id", help="The encryption-key-id that existing payloads carry."),
    ] = None,
    id_is_key: Annotated[
        bool, typer.Option("--id-is-key", help="The id is the key's text, as in Java's sample.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(help="A file that holds the key; else it is read from a pipe, or asked for."),
    ] = None,
    active_from: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When it begins to seal. Without one it opens, and seals only where no newer "
            "key of the ring does.",
        ),
    ] = None,
) -> None:
    """Take over the key of an existing codec: 32 bytes of text, or base64.

    Makes the ring where there is none. The key is no argument: the shell would remember it.
    """
    if context.args:
        raise CliError(_NO_ARGUMENT)
    if id_is_key == (key_id is not None):
        raise CliError("Say which payloads the key opens: either --id or --id-is-key.")
    store, now = open_store(ring), _now()
    key = imported_key(key_file, key_id, active_from)
    keys = ring_change.add(store, key)
    _say(f"{store.uri} opens what {key.label} sealed.")
    seals = ring_view.sealing(keys, now)
    _say(f"{seals.label if seals else 'No key'} seals now.")
    for caution in (*ring_view.faults(keys, now), *ring_view.cautions(keys, 0, now)):
        _say(f"Warning: {caution}")


@app.command()
def rotate(
    ring: Ring,
    now: Annotated[
        bool, typer.Option("--now", help="For a key that leaked: the new one seals at once.")
    ] = False,
) -> None:
    """Add a key that seals in 25 hours, when every reader has it. The others go on opening."""
    store, moment = open_store(ring), _now()
    key, before = ring_change.rotate(store, moment, at_once=now)
    _say(f"Added the key {key.label} to {store.uri}.")
    seals = ring_view.sealing(before, moment)
    if key.activation_date > moment:
        until = f"{seals.label} seals until then." if seals else ""
        _say(f"It seals from {ring_view.date(key.activation_date)}. {until}")
        return
    _say(f"It seals at once. {_READERS}")
    if len(before):
        _say(_LEAKED)
    for waiting in ring_view.waiting(before, moment):
        _say(
            f"{waiting.label} was in the ring before, and will seal from "
            f"{ring_view.date(waiting.activation_date)}: if the ring leaked, retire it now."
        )


@app.command()
def retire(
    ring: Ring,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a key out of a ring. What it sealed can never be read again."""
    store = open_store(ring)

    def agreed(key: Key, meaning: str) -> bool:
        _say(meaning)
        return yes or _typed("Type its id to retire it") == key.label

    key = ring_change.retire(store, key_id, _now(), agreed)
    if key is None:
        raise CliError("That is not its id. Nothing was changed.")
    _say(f"Retired {key.label} from {store.uri}.")


@app.command()
def check(ring: Ring) -> None:
    """Say what is wrong with a ring and what to do; status 0 if it may be used."""
    store, now = open_store(ring), _now()
    stored, keys = load(store)
    for caution in (*store.warnings(), *ring_view.cautions(keys, len(stored.text), now)):
        _say(f"Warning: {caution}")
    faults = list(ring_view.faults(keys, now))
    if faults:
        raise CliError(f"{store.uri} must not be used. {' '.join(faults)}")
    _say(f"{store.uri} may be used. {keys.sealing(now).label} seals now.")


def _now() -> datetime:
    return datetime.now(UTC)


def _typed(question: str) -> str:
    try:
        return str(typer.prompt(question, default="", show_default=False))
    except typer.Abort:
        return ""  # nobody is there, or somebody thought better of it


def _say(sentence: str) -> None:
    typer.echo(sentence)
