"""What the server does with the payloads of a request that may have it done."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from handlers.server.audit import Record
from handlers.server.problem import Answer, Refusal
from handlers.settings.server import ServerSettings
from temporal_codec import pipeline, wire
from temporal_codec.errors import Reason
from temporal_codec.keys.sources import KeySource
from temporal_codec.payload import Received, serialize_all
from temporal_codec.pipeline import Keys, Opened, Outcome
from temporal_codec.storage.resolve import Resolved, Storage
from temporal_codec.wire import Pieces, render_opened, render_received

MAX_ANSWER_BYTES = 5_500_000
MAX_DATA_BYTES = MAX_ANSWER_BYTES * 3 // 4  # as base64 they fill an answer
# Lambda's answer is the body as a JSON string, where quotes and backslashes take two bytes.
MAX_ESCAPED_BYTES = 6_000_000


class Job(msgspec.Struct, frozen=True):
    """A request that passed every check on its envelope."""

    namespace: str
    payloads: Sequence[Received]
    record: Record
    keeps_references: bool = False
    """Whether references to payloads in S3 are to come back as references."""


class Server(msgspec.Struct, frozen=True):
    """What every job is done with."""

    settings: ServerSettings
    source: KeySource
    storage: Storage | None


def read_payloads(body: bytes) -> Sequence[Received]:
    """The payloads of a request; raises WireError."""
    return wire.read(body, wire.MAX_PAYLOADS)


def _decode(job: Job, server: Server) -> Answer:
    keys = server.source.keys(job.namespace)
    outcomes = pipeline.decode(job.payloads, keys)
    if server.storage is not None and not job.keeps_references:
        outcomes = _resolve(job, server.storage, outcomes, keys).outcomes
    failed = _note_outcomes(job, keys, outcomes)
    if failed and server.settings.strict:
        raise Refusal("undecodable")
    rendered = [
        render_opened(outcome) if isinstance(outcome, Opened) else render_received(payload)
        for payload, outcome in zip(job.payloads, outcomes, strict=True)
    ]
    del outcomes  # of a large request, what is done with must go before the answer is made
    return _answer(job, rendered, {"x-codec-undecoded": str(len(failed))})


def _download(job: Job, server: Server) -> Answer:
    if server.storage is None:
        raise Refusal("operation")
    keys = server.source.keys(job.namespace)
    outcomes = pipeline.decode(job.payloads, keys)
    resolved = _resolve(job, server.storage, outcomes, keys)
    failed = _note_outcomes(job, keys, resolved.outcomes)
    if failed:
        too_large = {Reason.OBJECT_TOO_LARGE, Reason.TOO_MANY_OBJECTS} & set(failed)
        raise Refusal("objects-too-large" if too_large else "undownloadable")
    if len(resolved.references) < len(job.payloads):
        raise Refusal("not-a-reference")
    opened = [each for each in resolved.outcomes if isinstance(each, Opened)]
    return _answer(job, [render_opened(each) for each in opened], {})


def _resolve(job: Job, storage: Storage, outcomes: Sequence[Outcome], keys: Keys) -> Resolved:
    resolved = storage.resolve(job.namespace, job.payloads, outcomes, keys)
    job.record.references = len(resolved.references)
    return resolved


def _encode(job: Job, server: Server) -> Answer:
    if not job.payloads:
        return _answer(job, [], {})
    settings, keys = server.settings, server.source.keys(job.namespace)
    key = keys.sealing()
    _note(job, keys, {key.label: len(job.payloads)})
    render = wire.sealed_renderer(key)
    sealed = pipeline.encode(serialize_all(job.payloads), key, compress=settings.compress)
    rendered = [render(d, p.sizes) for d, p in zip(sealed, job.payloads, strict=True)]
    del sealed  # as above
    return _answer(job, rendered, {})


def pass_through(job: Job, _server: Server) -> Answer:
    """Give the payloads back as they came, to a caller who may not read them."""
    job.record.payloads = len(job.payloads)
    job.record.outcome, job.record.reason = "passed-through", "denied"
    return _answer(job, [render_received(payload) for payload in job.payloads], {})


def _note_outcomes(job: Job, keys: Keys, outcomes: Sequence[Outcome]) -> list[Reason]:
    # Gives why payloads could not be decoded.
    opened: dict[tuple[str, ...], int] = {}
    failed: list[Reason] = []
    for each in outcomes:
        if isinstance(each, Opened):
            opened[each.keys] = opened.get(each.keys, 0) + 1
        elif each is not None:
            failed.append(each.reason)
    used: dict[str, int] = {}
    for labels, number in opened.items():
        for label in labels:
            used[label] = used.get(label, 0) + number
    _note(job, keys, used)
    for reason in failed:
        job.record.undecoded[reason.value] = job.record.undecoded.get(reason.value, 0) + 1
    return failed


def _note(job: Job, keys: Keys, used: dict[str, int]) -> None:
    job.record.payloads = len(job.payloads)
    job.record.keys = used
    if keys.is_stale:
        job.record.stale.append("keys")


Operation = Callable[[Job, Server], Answer]
OPERATIONS: dict[str, Operation] = {"decode": _decode, "encode": _encode, "download": _download}


def _answer(job: Job, rendered: Iterable[Pieces], headers: dict[str, str]) -> Answer:
    pieces = wire.assemble(rendered)
    size = sum(map(len, pieces))
    if size > MAX_ANSWER_BYTES or _escaped(size, pieces) > MAX_ESCAPED_BYTES:
        raise Refusal("objects-too-large" if job.record.references else "answer-too-large")
    return Answer(200, b"".join(pieces), {"content-type": "application/json", **headers})


def _escaped(size: int, pieces: Iterable[bytes]) -> int:
    if size <= MAX_ESCAPED_BYTES // 2:  # not even if it were of nothing else
        return size
    return size + sum(piece.count(b'"') + piece.count(b"\\") for piece in pieces)
