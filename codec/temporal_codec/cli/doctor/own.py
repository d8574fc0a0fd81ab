"""The user's own payloads: whether the server decodes them, and which key ids it lacks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from temporal_codec.cli.doctor.finding import Finding, ok, problem, warning
from temporal_codec.cli.doctor.payloads import read_payloads
from temporal_codec.cli.doctor.probe import Probe, body_of
from temporal_codec.cli.errors import CliError, WrongUsage
from temporal_codec.cli.history.file import read_text
from temporal_codec.cli.payload.find import payloads_of
from temporal_codec.encryption import KEY_ID, foreign_format
from temporal_codec.keys.key import KEY_BYTES, fingerprint
from temporal_codec.payload import ENCODING, Received
from temporal_codec.text import shown

MOST_PAYLOADS = 500
_AT_ONCE = 50
_LARGE_BYTES = 1_000_000
_PATIENCE = 3
_PLAIN = (b"json/", b"binary/plain", b"binary/null", b"binary/protobuf")
_MOST_IDS = 5

NONE_ENCODED = warning(
    "own-none-encoded",
    "Your file has no encoded payload, so there was nothing to decode.",
    "Use a history or a payload that a worker with a codec wrote.",
)
OPENED = ok("own-decoded", "The server decodes your payloads, all {count} that were sent.")
NOT_OPENED = problem(
    "own-not-decoded",
    "The server returns {left} of your {count} payloads encoded. Key ids: {ids}.",
    "Add the missing keys to the server's ring (`temporal-codec keys import`), or correct "
    "CODEC_KEYRING or --namespace. If the ring has the key id, its key is a different one.",
)
FOREIGN = problem(
    "own-foreign",
    "Another system encrypted {count} of your payloads: {kinds}.",
    "Decode them with that system. For temporal-proxy, list its KMS key in CODEC_KMS_KEYS.",
)
REFUSED = problem(
    "own-refused",
    "The server does not decode your payloads ({status}). {words}",
    "Check the server's log for the reason.",
)


def read_own(payload: Path | None, history: Path | None) -> Sequence[Received] | None:
    """Read the encoded payloads of the files, None without a file; raises WrongUsage."""
    found: list[Received] = []
    if payload is None and history is None:
        return None
    for option, file in (("--payload", payload), ("--history", history)):
        if file is not None:
            try:
                read = list(payloads_of(str(file), read_text(file)))
            except CliError as error:
                raise WrongUsage(f"{option}: {error}") from None
            found += [each for each in read if _is_encoded(each)]
    return found[:MOST_PAYLOADS]


def check_own(probe: Probe) -> Iterator[Finding]:
    """Check that the server decodes the user's own payloads, if there are any."""
    sent = probe.target.own
    if sent is None or probe.main.status != 200:
        return
    if not sent:
        yield NONE_ENCODED()
        return
    left: list[Received] = []
    for batch in _batches(sent):
        answer = probe.post("decode", body_of(*batch), patience=_PATIENCE)
        if answer.status != 200:
            yield REFUSED(status=answer.status, words=answer.words)
            return
        came = yield from read_payloads(answer, "decode", len(batch))
        if came is None:
            return
        left += [each for each in came if _is_encoded(each)]
    kinds = Counter(filter(None, (foreign_format(each.metadata) for each in left)))
    ours = [each for each in left if foreign_format(each.metadata) is None]
    if kinds:
        told = ", ".join(f"{kind} ({count})" for kind, count in sorted(kinds.items()))
        yield FOREIGN(count=kinds.total(), kinds=told)
    if ours:
        yield NOT_OPENED(left=len(ours), count=len(sent), ids=_ids(ours))
    elif not kinds:
        yield OPENED(count=len(sent))


def _batches(payloads: Sequence[Received]) -> Iterator[list[Received]]:
    batch: list[Received] = []
    for each in payloads:
        size = sum(len(other.data) for other in batch) + len(each.data)
        if batch and (size > _LARGE_BYTES or len(batch) == _AT_ONCE):
            yield batch
            batch = []
        batch.append(each)
    yield batch


def _is_encoded(payload: Received) -> bool:
    # Any encoding that is not the SDKs' own comes from a codec, ours or another.
    encoding = payload.metadata.get(ENCODING, b"")
    return bool(encoding) and not encoding.startswith(_PLAIN)


def _ids(payloads: Sequence[Received]) -> str:
    counts = Counter(each.metadata.get(KEY_ID) for each in payloads)
    names = [f"{_name(key_id)} ({count})" for key_id, count in counts.most_common(_MOST_IDS)]
    more = len(counts) - len(names)
    return ", ".join([*names, f"and {more} more"] if more else names)


def _name(key_id: bytes | None) -> str:
    # An id of 32 bytes may be the key itself, as in the Java sample.
    if key_id is None:
        return "none"
    if len(key_id) == KEY_BYTES:
        return fingerprint(key_id)
    return shown(key_id.decode(errors="replace")) or "(empty)"
