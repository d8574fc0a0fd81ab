"""`temporal-codec audit match`: who read which payloads of a history."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.history.file import HistoryFile, read_text
from temporal_codec.cli.history.form import b64
from temporal_codec.cli.history.inner import places
from temporal_codec.cli.history.places import State
from temporal_codec.cli.history.system import SystemOperations
from temporal_codec.cli.keys.rings import open_keys
from temporal_codec.cli.options import AsJson, Ring
from temporal_codec.cli.progress import plural
from temporal_codec.errors import KeyringUnavailable, PayloadError
from temporal_codec.keys.keys import Keys
from temporal_codec.pipeline import key_finder
from temporal_codec.text import shown

app = typer.Typer(help="Audit records: find who read a history.", no_args_is_help=True)
_SHOWN = ("time", "request_id", "email", "subject", "issuer", "namespace", "purpose")


@app.callback()
def _group() -> None: ...


@app.command()
def match(
    *,
    history: Annotated[Path, typer.Option(help="Exported histories.")],
    log: Annotated[Path, typer.Option(help="Audit records, one JSON object on each line.")],
    ring: Ring,
    namespace: Annotated[str, typer.Option(help="The history's namespace.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Find who read which payloads of a history, by the digests in audit records.

    Only a holder of the key ring can compute the digests. Status 0 with or without matches.
    """
    known = _digests(history, open_keys(ring, namespace))
    found = []
    records = list(_records(read_text(log)))
    if not records:
        raise WrongUsage(
            f"{log} has no audit records: lines of JSON whose `event` is codec.request. "
            "docs/audit.md says where the server writes them."
        )
    for record in records:
        read = record.get("read")
        named = [each for each in read if isinstance(each, str)] if isinstance(read, list) else []
        paths = [path for digest in dict.fromkeys(named) for path in known.get(digest, ())]
        if paths:
            who = {name: shown(str(record[name])) for name in _SHOWN if record.get(name)}
            found.append({**who, "read": paths})
    if as_json:
        typer.echo(json.dumps({"payloads": len(known), "matches": found}, indent=2))
        return
    for each in found:
        typer.echo("  ".join(str(value) for name, value in each.items() if name != "read"))
        for path in each["read"]:
            typer.echo(f"    {path}")
    typer.echo(
        f"{plural(len(found), 'request')} of {len(records)} read payloads of this history. "
        f"The ring decrypts {plural(len(known), 'payload')} of it."
    )


def _digests(file: Path, keys: Keys) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    several = HistoryFile.read(file)
    for number, history in enumerate(several, 1):
        before, system = f"history {number}: " if len(several) > 1 else "", SystemOperations()
        for index, event in enumerate(history):
            for place in places(event, index, system):
                if place.state is State.ENCRYPTED:
                    digest = _digest(place.value, keys)
                    if digest is not None:
                        known.setdefault(digest, []).append(before + place.path)
    return known


def _digest(payload: Any, keys: Keys) -> str | None:  # noqa: ANN401 — JSON
    try:
        metadata = {name: b64(value) for name, value in payload["metadata"].items()}
        return key_finder(keys)(metadata).digest(b64(payload["data"]))
    except (PayloadError, KeyError, ValueError):
        return None  # no key of this ring
    except KeyringUnavailable as error:
        raise CliError(f"The keys are not available now: {error}. Try again later.") from None


def _records(log: bytes) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        # A time or a stream's name may come before the record.
        try:
            record = json.loads(line[line.find(b"{") :])
            if "event" not in record and isinstance(record.get("message"), str):
                record = json.loads(record["message"])  # as CloudWatch exports it
        except (ValueError, RecursionError, AttributeError, TypeError):
            continue
        if isinstance(record, dict) and record.get("event") == "codec.request":
            yield record
