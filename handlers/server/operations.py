"""What the server does with the payloads of a request that passed every check."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from handlers.server.problem import Problem, Response
from handlers.server.request import Request
from handlers.settings.server import ServerSettings
from temporal_codec import encryption, pipeline, wire
from temporal_codec.allowance import Allowance
from temporal_codec.cached import NotHeld
from temporal_codec.errors import PayloadError, Reason
from temporal_codec.keys.keys import Keys, Unwrap, sealing_key
from temporal_codec.keys.sources import KeySource
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened, Outcome, Session
from temporal_codec.protobuf import serialize_all
from temporal_codec.wire import assemble, render_opened, render_received

if TYPE_CHECKING:
    from temporal_codec.storage.resolve import Storage

MAX_ANSWER_BYTES = 5_500_000
MAX_DATA_BYTES = MAX_ANSWER_BYTES * 3 // 4  # as base64 they fill an answer
# Lambda's answer is the body as a JSON string, where quotes and backslashes take two bytes.
MAX_ESCAPED_BYTES = 6_000_000
# What a request's payloads may inflate to, all layers together: more than an answer holds.
MAX_INFLATED_BYTES = 16_000_000


class Job(msgspec.Struct, frozen=True):
    """The payloads of a request, and the namespace that they are of."""

    namespace: str
    payloads: Sequence[Received]
    request: Request


class Tools(msgspec.Struct, frozen=True):
    """The keys, storage and limits that every job uses."""

    settings: ServerSettings
    source: KeySource
    storage: "Storage | None"
    enveloped: Unwrap | None = None
    """Gives the data keys that payloads bring, for a namespace."""


async def _decode(job: Job, tools: Tools) -> Response:
    keeps_references = tools.storage is not None and job.request.asks("preserveStorageRefs")
    outcomes, failed = await _read(job, tools, None if keeps_references else tools.storage)
    if failed and tools.settings.strict:
        raise Problem("undecodable")
    pieces = assemble(
        [
            render_opened(outcome) if isinstance(outcome, Opened) else render_received(payload)
            for payload, outcome in zip(job.payloads, outcomes, strict=True)
        ]
    )
    del outcomes  # of a large request, what is done with must go before the response is made
    return _response(job, pieces, {"x-codec-undecoded": str(len(failed))})


async def _download(job: Job, tools: Tools) -> Response:
    outcomes, failed = await _read(job, tools, tools.storage)
    if failed:
        too_large = {Reason.OBJECT_TOO_LARGE, Reason.TOO_MANY_OBJECTS} & {
            each.reason for each in failed
        }
        raise Problem("objects-too-large" if too_large else "undownloadable")
    if job.request.record.references < len(job.payloads):
        raise Problem("not-a-reference")
    opened = [each for each in outcomes if isinstance(each, Opened)]
    return _response(job, assemble([render_opened(each) for each in opened]), {})


async def _read(
    job: Job, tools: Tools, storage: "Storage | None"
) -> tuple[Sequence[Outcome], list[PayloadError]]:
    # What became of each payload, noted in the record, and why some could not be decoded.
    in_time = job.request.seconds_left
    allowance = Allowance(MAX_INFLATED_BYTES, opened=MAX_ANSWER_BYTES, in_time=in_time)
    allowance.compressed = MAX_INFLATED_BYTES // 2
    enveloped = tools.enveloped and partial(tools.enveloped, job.namespace)
    keys, in_thread = tools.source.keys(job.namespace), job.request.in_thread
    session = Session(keys, in_thread, allowance, enveloped=enveloped)
    outcomes: Sequence[Outcome] = await pipeline.decode_held(job.payloads, session)
    if storage is not None:
        resolved = await storage.resolve(job.namespace, job.payloads, outcomes, session)
        job.request.record.references = len(resolved.references)
        outcomes = resolved.outcomes
    failed = _note_outcomes(job, keys, outcomes)
    _note_read(job, session, outcomes, tools)
    # Without objects and inflation, nothing is larger than it came.
    if storage is not None or allowance.inflated < MAX_INFLATED_BYTES:
        _check_size(job, outcomes)
        in_time()
    return outcomes, failed


async def _encode(job: Job, tools: Tools) -> Response:
    if not job.payloads:
        return _response(job, assemble([]), {})
    keys = tools.source.keys(job.namespace)
    key = await sealing_key(keys, job.request.in_thread)
    _note(job, keys, {key.label: len(job.payloads)})
    render = wire.sealed_renderer(key)
    compress = tools.settings.compress
    serialized = serialize_all(job.payloads)
    if compress:  # takes milliseconds for each; raises Problem when there is no time left
        serialized = (each for each in serialized if job.request.seconds_left())
    sealed = pipeline.encode(serialized, key, compress=compress)
    pieces = assemble([render(d, p.sizes) for d, p in zip(sealed, job.payloads, strict=True)])
    del sealed  # as above
    return _response(job, pieces, {})


def _check_size(job: Job, outcomes: Sequence[Outcome]) -> None:
    # Before anything is rendered: four hundred references may lead to one large object. What is
    # opened takes a third more as base64, and what came as it was takes what it took.
    size = sum(len(each.serialized) for each in outcomes if isinstance(each, Opened))
    if size > MAX_ANSWER_BYTES:
        raise _too_large(job)


def _too_large(job: Job) -> Problem:
    return Problem("objects-too-large" if job.request.record.references else "answer-too-large")


async def pass_through(job: Job, _tools: Tools) -> Response:
    """Return the payloads as they came, to a caller that the policy denies."""
    record = job.request.record
    record.payloads = len(job.payloads)
    record.outcome = "passed-through"
    return _response(job, assemble([render_received(payload) for payload in job.payloads]), {})


def _note_outcomes(job: Job, keys: Keys, outcomes: Sequence[Outcome]) -> list[PayloadError]:
    # Gives why payloads could not be decoded.
    used: dict[str, int] = {}
    failed: list[PayloadError] = []
    for each in outcomes:
        if isinstance(each, Opened):
            for label in each.keys:
                used[label] = used.get(label, 0) + 1
        elif each is not None:
            failed.append(each)
    _note(job, keys, used)
    for error in failed:
        job.request.record.note_undecoded(error)
    return failed


def _note_read(job: Job, session: Session, outcomes: Sequence[Outcome], tools: Tools) -> None:
    # Digests of the decrypted payloads, for holders of the key and the history.
    at_most = tools.settings.digests if tools.settings.access else 0
    if not at_most:
        return
    read = job.request.record.read
    key_of = pipeline.key_finder(session.keys, session.enveloped, wait=False)
    for payload, outcome in zip(job.payloads, outcomes, strict=True):
        if len(read) >= at_most:
            return
        if isinstance(outcome, Opened) and encryption.KEY_ID in payload.metadata:
            with suppress(NotHeld, PayloadError):
                read.append(key_of(payload.metadata).digest(payload.data))


def _note(job: Job, keys: Keys, used: dict[str, int]) -> None:
    record = job.request.record
    record.payloads = len(job.payloads)
    record.keys = used
    if keys.is_stale:
        record.stale.append("keys")


RUNS: dict[str, Callable[[Job, Tools], Awaitable[Response]]] = {
    "decode": _decode,
    "encode": _encode,
    "download": _download,
}
"""The function for each of `temporal_codec.operations.OPERATIONS`."""


def _response(job: Job, pieces: Sequence[bytes], headers: dict[str, str]) -> Response:
    size = sum(map(len, pieces))
    # Half of it fits even if all of it must be escaped.
    if size > MAX_ESCAPED_BYTES // 2 and (
        size > MAX_ANSWER_BYTES or size + _escapes(pieces) > MAX_ESCAPED_BYTES
    ):
        raise _too_large(job)
    return Response(200, b"".join(pieces), {"content-type": "application/json", **headers})


def _escapes(pieces: Iterable[bytes]) -> int:
    return sum(piece.count(b'"') + piece.count(b"\\") for piece in pieces)
