"""Payloads in S3: references among decoded payloads are replaced by their objects.

Everybody who can write into a history can write a reference. It only selects an object,
of the buckets that an operator named, under the prefix of the namespace that was authorized; and
what comes is used only when its SHA-256 is the reference's.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from temporal_codec import pipeline
from temporal_codec.allowance import Allowance
from temporal_codec.common import recognize
from temporal_codec.errors import PayloadError
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened, Outcome, Session
from temporal_codec.protobuf import PayloadMessage, parse
from temporal_codec.storage.fetch import Objects, fetch
from temporal_codec.storage.reference import (
    AllowedReferences,
    Reference,
    is_reference,
    read_reference,
)


class Resolved(NamedTuple):
    """Outcomes, with the objects in place of their references."""

    outcomes: list[Outcome]
    references: frozenset[int]
    """Which of them were references, whether they could be resolved or not."""


class Storage:
    """Resolves references, for any number of threads at a time."""

    def __init__(
        self, trusted: AllowedReferences, at_most: int, connect: Callable[[], Objects] | None = None
    ) -> None:
        """Take what is followed, and how many bytes of objects a request may hold.

        `connect` gives the objects when the first reference comes; by default those of S3.
        """
        self._trusted = trusted
        self._at_most = at_most
        self._connect = connect or s3
        self._objects: Objects | None = None
        self._lock = threading.Lock()

    async def resolve(
        self,
        namespace: str,
        payloads: Sequence[Received],
        outcomes: Sequence[Outcome],
        session: Session,
    ) -> Resolved:
        """Replace each reference among decoded payloads by its object in S3.

        What a reference leads to is decoded, too; if that is a reference again, it stays one.

        Raises:
            StorageUnavailable: an object cannot be fetched now.
            ObjectsTooLarge: the objects are together more than a request may hold.
            KeyringUnavailable: see `temporal_codec.pipeline.decode`.
        """
        resolved = list(outcomes)
        found = {
            index: reference
            for index, each in enumerate(zip(payloads, outcomes, strict=True))
            if (reference := self._reference(namespace, *each)) is not None
        }
        followed = [each for each in found.values() if isinstance(each, Reference)]
        opened = await session.in_thread(self._open, followed, session) if followed else {}
        for index, each in found.items():
            given = opened[each] if isinstance(each, Reference) else each
            resolved[index] = _under(outcomes[index], given)
        return Resolved(resolved, frozenset(found))

    def _reference(
        self, namespace: str, payload: Received, outcome: Outcome
    ) -> Reference | PayloadError | None:
        try:
            reference = find_reference(payload, outcome)
            if reference is not None:
                self._trusted.check(reference, namespace)
        except PayloadError as error:
            return error
        return reference

    def _open(self, references: Sequence[Reference], session: Session) -> dict[Reference, Outcome]:
        # Each object once, however often it is referred to.
        fetched = fetch(self._connected(), list(dict.fromkeys(references)), self._at_most)
        opened = open_stored(fetched.values(), session)
        return dict(zip(fetched, opened, strict=True))

    def _connected(self) -> Objects:
        with self._lock:
            if self._objects is None:
                self._objects = self._connect()
            return self._objects


def find_reference(payload: Received, outcome: Outcome) -> Reference | None:
    """The reference that a payload is, or was found to be under its encodings.

    Raises PayloadError if it is an invalid one.
    """
    if outcome is None:
        metadata = payload.metadata
        return (
            read_reference(metadata, payload.data, payload.sizes)
            if is_reference(metadata)
            else None
        )
    if isinstance(outcome, PayloadError) or outcome.common is not None:
        return None
    inner = parse(outcome.serialized)
    if not is_reference(inner.metadata):
        return None
    sizes = [each.size_bytes for each in inner.external_payloads]
    return read_reference(inner.metadata, inner.data, sizes)


def open_stored(
    stored: Iterable[bytes | PayloadError],
    session: Session,
) -> list[Opened | PayloadError]:
    """The decoded contents of objects, in order."""
    parsed = [_parsed(each, session.allowance) for each in stored]
    messages = [each[1] for each in parsed if not isinstance(each, PayloadError)]
    decoded = iter(pipeline.decode(messages, session.keys, session.allowance, session.enveloped))
    return [
        each
        if isinstance(each, PayloadError)
        else next(decoded) or Opened(each[0], recognize(each[0]), ())
        for each in parsed
    ]


def _parsed(
    stored: bytes | PayloadError, allowance: Allowance
) -> tuple[bytes, PayloadMessage] | PayloadError:
    try:
        return stored if isinstance(stored, PayloadError) else (stored, allowance.parse(stored))
    except PayloadError as error:
        return error


def _under(wrapper: Outcome, given: Outcome) -> Outcome:
    # The keys that opened the reference, and those that opened what it led to.
    if isinstance(wrapper, Opened) and isinstance(given, Opened):
        return Opened(given.serialized, given.common, wrapper.keys + given.keys)
    return given


def s3() -> Objects:
    """The objects that this process's AWS credentials may read."""
    from temporal_codec.storage.s3 import S3  # noqa: PLC0415 — botocore costs 0.2 s, and few requests need it

    return S3()
