"""`temporal-codec keys list` and `check`: what a ring holds, and what is wrong with it."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.keys import view as ring_view
from temporal_codec.cli.keys.rings import load, open_store

Ring = Annotated[
    str, typer.Argument(metavar="RING", help="file:PATH, a PATH, or secretsmanager:NAME.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def list_(ring: Ring, *, as_json: AsJson = False) -> None:
    """Show a ring's keys: ids, activation dates, and what each key does now."""
    store, now = open_store(ring), datetime.now(UTC)
    _, keys = load(store)
    if as_json:
        document = {"ring": store.uri, "keys": ring_view.rows(keys, now)}
        say(json.dumps(document, indent=2))
    else:
        ring_view.show(store.uri, keys, now)


def check(
    ring: Ring,
    *,
    sealed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=COUNT",
            help="How often a key has encrypted, from your metrics. Warns long before 2^32.",
        ),
    ] = None,
    fail_on_warning: Annotated[
        bool, typer.Option("--fail-on-warning", help="Status 1 for warnings too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a ring. Status 0 if it can be used, 1 if not. Warnings go to stderr."""
    store, now = open_store(ring), datetime.now(UTC)
    counts = _counts(sealed or [])
    stored, keys = load(store)
    size = len(stored.text)
    warnings = [
        *store.warnings(),
        *ring_view.cautions(keys, size, now),
        *ring_view.overused(keys, counts),
    ]
    faults = list(ring_view.faults(keys, now))
    seals = ring_view.sealing(keys, now)
    if as_json:
        usable = {"ring": store.uri, "usable": not faults, "seals": seals and seals.label}
        document = {**usable, "faults": faults, "warnings": warnings}
        say(json.dumps(document, indent=2))
    else:
        for warning in warnings:
            warn(warning)
        if faults or seals is None:
            raise CliError(f"{store.uri} must not be used. {' '.join(faults)}")
        say(f"{store.uri} can be used. {seals.label} encrypts now.")
    if faults or (warnings and fail_on_warning):
        raise typer.Exit(1)


def _counts(given: list[str]) -> dict[str, int]:
    counts = {}
    for text in given:
        key_id, equals, count = text.rpartition("=")
        if not equals or not count.isdecimal():
            raise WrongUsage("--sealed takes ID=COUNT, for example 2026-11-a1b2c3=1000000.")
        counts[key_id] = int(count[:30])
    return counts


def say(sentence: str) -> None:
    """Print a result."""
    typer.echo(sentence)


def warn(sentence: str) -> None:
    """Print a warning, apart from results."""
    typer.echo(f"Warning: {sentence}", err=True)
