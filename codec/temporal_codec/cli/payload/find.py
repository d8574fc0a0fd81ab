"""Finds references to payloads in S3, in an exported history or in payloads as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from temporal_codec import wire
from temporal_codec.cli.errors import CliError, NoHistory
from temporal_codec.cli.history.file import HistoryFile
from temporal_codec.cli.history.inner import places
from temporal_codec.cli.history.part import Part
from temporal_codec.cli.history.places import Place, is_payload
from temporal_codec.cli.history.system import SystemOperations
from temporal_codec.errors import PayloadError, WireError
from temporal_codec.keys.keys import Keys
from temporal_codec.payload import Received
from temporal_codec.pipeline import Outcome, decode
from temporal_codec.storage.reference import Reference
from temporal_codec.storage.resolve import find_reference

_MOST_SHOWN = 20


def payloads_of(name: str, text: bytes) -> Iterator[Received]:
    """The payloads of an exported history, or of payloads as JSON; raises CliError."""
    for each in _payloads(name, text):
        yield from _received(name, each)


class Found(NamedTuple):
    """A payload's place and its reference; None if it is not one, or why it cannot be read."""

    path: str
    reference: Reference | PayloadError | None


def find(name: str, text: bytes, keys: Keys, at: str | None) -> Reference:
    """The only reference of a text, or the one at a place.

    Raises CliError if there is none or more than one, PayloadError if it is invalid.
    """
    found = [each for event in _found(name, text, keys) for each in event]
    chosen = [each for each in found if at in (None, each.path)]
    if at is not None and not chosen:
        raise CliError(
            f"{name} has no payload at that place. `temporal-codec history scan` prints places."
        )
    references = {each.reference: each for each in chosen if isinstance(each.reference, Reference)}
    if len(references) > 1:
        paths = [each.path for each in references.values()]
        more = [f"and {len(paths) - _MOST_SHOWN} more"] if len(paths) > _MOST_SHOWN else []
        shown = "\n".join([*paths[:_MOST_SHOWN], *more])
        raise CliError(f"{name} has {len(paths)} references. Name one with --at:\n{shown}")
    if references:
        return next(iter(references))
    failed = [each.reference for each in chosen if isinstance(each.reference, PayloadError)]
    if len(failed) == 1:
        raise failed[0]
    raise CliError(f"{name} has no reference to a payload in S3.{_undecoded(failed)}")


def _undecoded(failed: list[PayloadError]) -> str:
    counts = Counter(each.reason.value for each in failed)
    told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f" {len(failed)} payloads cannot be decoded ({told}): check --ring." if failed else ""


def _found(name: str, text: bytes, keys: Keys) -> Iterator[list[Found]]:
    for listed in _payloads(name, text):
        payloads = _received(name, listed)
        yield [
            Found(place.path, _reference(payload, outcome))
            for place, payload, outcome in zip(
                listed, payloads, decode(payloads, keys), strict=True
            )
        ]


def _received(name: str, listed: Sequence[Place]) -> Sequence[Received]:
    body = json.dumps({"payloads": [each.value for each in listed]}).encode()
    try:
        return wire.read(body)
    except WireError as error:
        raise NoHistory(f"{name} has a malformed payload: {error}") from None


def _reference(payload: Received, outcome: Outcome) -> Reference | PayloadError | None:
    if isinstance(outcome, PayloadError):
        return outcome
    try:
        return find_reference(payload, outcome)
    except PayloadError as error:
        return error


def _payloads(name: str, text: bytes) -> Iterator[list[Place]]:
    # The places of each event that are payloads.
    try:
        histories = _histories(name, text)
        for number, history in enumerate(histories, 1):
            before, system = f"history {number}: " if len(histories) > 1 else "", SystemOperations()
            for index, event in enumerate(history):
                found = [each for each in places(event, index, system) if is_payload(each.value)]
                yield [replace(each, path=before + each.path) for each in found]
    except NoHistory:
        raise NoHistory(
            f"{name} is neither an exported history nor a payload as JSON. `temporal workflow show "
            "--output json` writes a history."
        ) from None


def _histories(name: str, text: bytes) -> Sequence[HistoryFile]:
    try:
        return HistoryFile.of(name, text)
    except NoHistory:
        if _is_history(text):
            raise
        # A payload, or what holds payloads, is read as an event of a history would be.
        listed = text if text.lstrip().startswith(b"[") else b"[%b]" % text
        return HistoryFile.of(name, b'{"events":%b}' % listed)


def _is_history(text: bytes) -> bool:
    try:
        return msgspec.json.decode(text, type=Part).forms > 0
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
