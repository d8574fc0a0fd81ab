"""`temporal-codec keys`: make, check and change key rings."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.keys import change as ring_change
from temporal_codec.cli.keys import view as ring_view
from temporal_codec.cli.keys.enroll import enroll
from temporal_codec.cli.keys.look import Namespace, Ring, check, list_, say, warn
from temporal_codec.cli.keys.rings import load, open_store, setting
from temporal_codec.cli.keys.store import RingStore
from temporal_codec.cli.keys.text import imported_key
from temporal_codec.keys.key import Key

app = typer.Typer(help="Key rings: make, check, rotate.", no_args_is_help=True)
app.command("list")(list_)
app.command("check")(check)
app.command("enroll")(enroll)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")]

_READERS = (
    "Workers use it within 5 minutes. A reader that does not have it yet fetches the ring when it "
    "needs it, at most once in 30 seconds. Until then such a payload stays encrypted, and a "
    "worker's task fails and is retried."
)
_LEAKED = (
    "A person who has the old keys can still decrypt what they encrypted: docs/operations.md says "
    'what to do, under "A key leaked".'
)
_CACHED = "Servers and workers that hold the ring keep decrypting with it for up to 5 minutes."
_NO_ARGUMENT = (
    "A key is not an argument, because the shell's history would keep it. Use --key-file, a pipe, "
    "or the hidden prompt. If this was a key, delete it from the history."
)


@app.command()
def new(ring: Ring, *, namespace: Namespace = None) -> None:
    """Make a ring with one key, which encrypts at once. Never overwrites a ring."""
    store = open_store(ring, namespace)
    key = ring_change.make(store, _now())
    say(f"Made {store.uri} with the key {key.label}, which encrypts from now on.")
    say(f"Servers and workers use it with CODEC_KEYRING={setting(ring)}")
    say("Keep it safe: without the ring nobody can decrypt what it encrypts.")


@app.command("import", context_settings={"allow_extra_args": True})
def import_(  # noqa: PLR0913 — a command's options are its arguments
    context: typer.Context,
    ring: Ring,
    *,
    namespace: Namespace = None,
    key_id: Annotated[
        str | None,
        typer.Option("--id", help="The encryption-key-id of the existing payloads."),
    ] = None,
    id_is_key: Annotated[
        bool, typer.Option("--id-is-key", help="The id is the key's text, as in the Java sample.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the key. Default: read a pipe, or prompt for the key."),
    ] = None,
    active_from: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="When the key starts to encrypt. Default: it decrypts, and encrypts only if no "
            "newer key of the ring does.",
        ),
    ] = None,
) -> None:
    """Import the key of an existing codec: 32 bytes of text, or base64.

    Makes the ring if there is none. The key is not an argument: the shell's history would keep it.
    """
    if context.args:
        raise WrongUsage(_NO_ARGUMENT)
    if id_is_key == (key_id is not None):
        raise WrongUsage("Name the payloads that the key decrypts: either --id or --id-is-key.")
    store, now = open_store(ring, namespace), _now()
    key = imported_key(key_file, key_id, active_from)
    keys = ring_change.add(store, key)
    say(f"{store.uri} decrypts what {key.label} encrypted.")
    seals = ring_view.sealing(keys, now)
    say(f"{seals.label if seals else 'No key'} encrypts now.")
    for caution in (*ring_view.faults(keys, now), *ring_view.cautions(keys, 0, now)):
        warn(caution)


@app.command()
def rotate(
    ring: Ring,
    *,
    namespace: Namespace = None,
    now: Annotated[
        bool, typer.Option("--now", help="After a leak: the new key encrypts at once.")
    ] = False,
) -> None:
    """Add a key that encrypts in 25 hours, when every reader has it. Old keys keep decrypting.

    With --now, offers to retire a key that was waiting: it has leaked with the ring.
    """
    store, moment = open_store(ring, namespace), _now()
    key, before = ring_change.rotate(store, moment, at_once=now)
    say(f"Added the key {key.label} to {store.uri}.")
    seals = ring_view.sealing(before, moment)
    if key.activation_date > moment:
        until = f"{seals.label} encrypts until then." if seals else ""
        say(f"It encrypts from {ring_view.date(key.activation_date)}. {until}")
        return
    say(f"It encrypts at once. {_READERS}")
    if len(before):
        say(_LEAKED)
    for waiting in ring_view.waiting(before, moment):
        _offer(store, waiting)


def _offer(store: RingStore, waiting: Key) -> None:
    since = ring_view.date(waiting.activation_date)
    say(f"{waiting.label} was waiting in the ring and encrypts from {since}.")
    if _at_terminal() and typer.confirm("Did the ring leak? Then retire this key now"):
        ring_change.retire(store, waiting.label, _now(), lambda *_: True)
        say(f"Retired {waiting.label}.")
    else:
        say(f"If the ring leaked, retire it now: temporal-codec keys retire {quote(store.uri)} ID")


@app.command()
def retire(
    ring: Ring,
    key_id: KeyId,
    *,
    namespace: Namespace = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove a key from a ring permanently. Nobody can read what it encrypted any more."""
    store = open_store(ring, namespace)

    def agreed(key: Key, meaning: str) -> bool:
        say(meaning)
        return yes or _typed("Type its id to retire it") == key.label

    key = ring_change.retire(store, key_id, _now(), agreed)
    if key is None:
        raise CliError("That is not the key's id. Nothing was changed.")
    say(f"Retired {key.label} from {store.uri}. {_CACHED}")


@app.command()
def disable(ring: Ring, key_id: KeyId, *, namespace: Namespace = None) -> None:
    """Stop a key from decrypting and encrypting. `keys enable` reverses this."""
    store = open_store(ring, namespace)
    key = ring_change.disable(store, key_id, _now())
    say(f"Disabled {key.label} in {store.uri}: its payloads stay encrypted. {_CACHED}")
    say("`temporal-codec keys enable` reverses this.")


@app.command()
def enable(ring: Ring, key_id: KeyId, *, namespace: Namespace = None) -> None:
    """Let a disabled key decrypt again, and encrypt from its activation date."""
    store = open_store(ring, namespace)
    key = ring_change.enable(store, key_id)
    say(f"Enabled {key.label} in {store.uri}.")
    seals = ring_view.sealing(load(store)[1], _now())
    say(f"{seals.label if seals else 'No key'} encrypts now.")


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _now() -> datetime:
    return datetime.now(UTC)


def _typed(question: str) -> str:
    try:
        return str(typer.prompt(question, default="", show_default=False))
    except typer.Abort:
        return ""  # there is no input, or the user changed their mind
