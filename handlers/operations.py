"""What the server does with the payloads of a request that may have it done."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from codec import pipeline, wire
from codec.errors import PayloadError
from codec.payload import Received
from codec.pipeline import Keys, Opened
from codec.sources import KeySource
from handlers.audit import Record
from handlers.refusal import Answer, Refusal
from handlers.settings import ServerSettings

MAX_ANSWER_BYTES = 5_500_000
# Lambda's answer is the body as a JSON string, where quotes and backslashes take two bytes.
MAX_ESCAPED_BYTES = 6_000_000


class Job(NamedTuple):
    """A request that passed every check on its envelope."""

    namespace: str
    payloads: Sequence[Received]
    record: Record


def read_payloads(body: bytes) -> Sequence[Received]:
    """The payloads of a request; raises WireError."""
    return wire.read(body, wire.MAX_PAYLOADS)


def _decode(job: Job, settings: ServerSettings, source: KeySource) -> Answer:
    keys = source.keys(job.namespace)
    outcomes = pipeline.decode(job.payloads, keys)
    rendered = [
        wire.render_opened(outcome)
        if isinstance(outcome, Opened)
        else wire.render_received(payload)
        for payload, outcome in zip(job.payloads, outcomes, strict=True)
    ]
    failed = [outcome.reason.value for outcome in outcomes if isinstance(outcome, PayloadError)]
    _note(job, keys, _tally(key for o in outcomes if isinstance(o, Opened) for key in o.keys))
    job.record.undecoded = _tally(failed)
    if failed and settings.strict:
        raise Refusal("undecodable")
    return _answer(rendered, {"x-codec-undecoded": str(len(failed))})


def _encode(job: Job, settings: ServerSettings, source: KeySource) -> Answer:
    if not job.payloads:
        return _answer([], {})
    keys = source.keys(job.namespace)
    key = keys.sealing()
    _note(job, keys, {key.label: len(job.payloads)})
    render = wire.sealed_renderer(key)
    sealed = pipeline.encode(
        [payload.serialize() for payload in job.payloads], key, compress=settings.compress
    )
    rendered = [render(d, p.sizes) for d, p in zip(sealed, job.payloads, strict=True)]
    del sealed  # of a large request, what is done with must go before the answer is made
    return _answer(rendered, {})


def pass_through(job: Job, _settings: ServerSettings, _source: KeySource) -> Answer:
    """Give the payloads back as they came, to a caller who may not read them."""
    job.record.payloads = len(job.payloads)
    job.record.outcome, job.record.reason = "passed-through", "denied"
    return _answer([wire.render_received(payload) for payload in job.payloads], {})


def _note(job: Job, keys: Keys, used: dict[str, int]) -> None:
    job.record.payloads = len(job.payloads)
    job.record.keys = used
    if keys.is_stale:
        job.record.stale.append("keys")


def _tally(names: Iterable[str]) -> dict[str, int]:
    # A Counter takes longer than one small payload does.
    tally: dict[str, int] = {}
    for name in names:
        tally[name] = tally.get(name, 0) + 1
    return tally


Operation = Callable[[Job, ServerSettings, KeySource], Answer]
OPERATIONS: dict[str, Operation] = {"decode": _decode, "encode": _encode}


def _answer(rendered: Sequence[bytes], headers: dict[str, str]) -> Answer:
    if sum(map(len, rendered)) > MAX_ANSWER_BYTES:
        raise Refusal("answer-too-large")
    body = wire.write(rendered)
    escaped = len(body)
    if escaped > MAX_ESCAPED_BYTES // 2:
        escaped += body.count(b'"') + body.count(b"\\")
    if len(body) > MAX_ANSWER_BYTES or escaped > MAX_ESCAPED_BYTES:
        raise Refusal("answer-too-large")
    return Answer(200, body, {"content-type": "application/json", **headers})
