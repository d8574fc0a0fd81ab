"""`temporal-codec keys list` and `check`: what a ring holds, and what is wrong with it."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.keys import view as ring_view
from temporal_codec.cli.keys.rings import load, open_store
from temporal_codec.cli.keys.store import RingStore
from temporal_codec.cli.options import AsJson
from temporal_codec.keys.keyring import Keyring

Ring = Annotated[
    str, typer.Argument(metavar="RING", help="file:PATH, a PATH, or secretsmanager:NAME.")
]
Namespace = Annotated[
    str | None,
    typer.Option(help="The namespace whose ring it is. It replaces {namespace} in RING."),
]


def list_(ring: Ring, *, namespace: Namespace = None, as_json: AsJson = False) -> None:
    """Show a ring's keys: ids, activation dates, and what each key does now."""
    store, now = open_store(ring, namespace), datetime.now(UTC)
    _, keys = load(store)
    if as_json:
        document = {"ring": store.uri, "keys": ring_view.rows(keys, now)}
        say(json.dumps(document, indent=2))
    else:
        ring_view.show(store.uri, keys, now)


def check(
    ring: Ring,
    *,
    namespace: Namespace = None,
    sealed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=COUNT",
            help="How often workers encrypted with a key; what CloudWatch counts is added.",
        ),
    ] = None,
    fail_on_warning: Annotated[
        bool, typer.Option("--fail-on-warning", help="Status 1 for warnings too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a ring. Status 0 if it can be used, 1 if not. Warnings go to stderr.

    Warns if a key has encrypted 2^30 times, a quarter of what it may.
    """
    store, now = open_store(ring, namespace), datetime.now(UTC)
    given = _counts(sealed or [])
    stored, keys = load(store)
    counts = _with_servers(store, keys, given)
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
        counted = {key.label: ring_view.count(key, counts) for key in keys}
        document = {**usable, "sealed": counted, "faults": faults, "warnings": warnings}
        say(json.dumps(document, indent=2))
    else:
        for warning in warnings:
            warn(warning)
        if faults or seals is None:
            raise CliError(f"{store.uri} must not be used. {' '.join(faults)}")
        say(f"{store.uri} can be used. {seals.label} encrypts now.")
    if faults or (warnings and fail_on_warning):
        raise typer.Exit(1)


def _with_servers(store: RingStore, keys: Keyring, given: dict[str, int]) -> dict[str, int]:
    try:
        counted = store.sealed({key.label for key in keys})
    except CliError as error:
        note = (
            f"Note: what servers encrypted is not counted here. {error} Allow "
            "cloudwatch:ListMetrics and cloudwatch:GetMetricStatistics, or use --sealed ID=COUNT "
            "with your own metrics."
        )
        typer.echo(note, err=True)
        return given
    return {each: given.get(each, 0) + counted.get(each, 0) for each in {*given, *counted}}


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
