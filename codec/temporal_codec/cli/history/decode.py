"""An exported history with its payloads opened, event by event."""

import json
from collections import Counter
from collections.abc import Iterator

from pybase64 import b64decode

from temporal_codec import wire
from temporal_codec.allowance import Allowance
from temporal_codec.cli.errors import CliError, NoHistory
from temporal_codec.cli.history.file import HistoryFile, Json
from temporal_codec.cli.history.form import b64
from temporal_codec.cli.history.inner import looks_like_envelope, places, replace_payloads
from temporal_codec.cli.history.places import DECODED, Place, State, is_payload, resembles
from temporal_codec.cli.history.system import SystemOperations
from temporal_codec.errors import KeyringUnavailable, PayloadError, WireError
from temporal_codec.keys.keys import Keys
from temporal_codec.payload import ENCODING
from temporal_codec.pipeline import Opened, Outcome, decode

UNKNOWN_ENCODING = "unknown-encoding"
UNKNOWN_MEMBER = "unknown-member"
UNKNOWN_ENVELOPE = "unknown-envelope"
_PLAIN = (b"json/", b"binary/plain", b"binary/null", b"binary/protobuf")
_READABLE = (
    "This is the Web UI's Readable download: values stand in the place of payloads, so neither a "
    "replayer nor the Web UI can import it. Download the history without decoding, or use "
    "`temporal workflow show --output json`."
)


class Decoder:
    """Opens the payloads of a history's events, and counts what became of them."""

    def __init__(self, keys: Keys) -> None:
        """Take the keys of the namespace that the history comes from."""
        self._keys = keys
        self._system = SystemOperations()
        self.opened = 0
        self.left: Counter[str] = Counter()
        """Payloads that stay encoded, by reason."""

    def decode(self, event: Json, index: int) -> None:
        """Open what an event holds, in place; raises CliError."""
        found = list(places(event, index, self._system))
        if any(place.encoding == DECODED for place in found):
            raise NoHistory(_READABLE)
        # An envelope's payloads are places of their own; one that imitates it stays as it is.
        payloads = [
            place for place in found if is_payload(place.value) and not looks_like_envelope(place)
        ]
        outcomes = self._outcomes(payloads, index)
        for place, outcome in zip(payloads, outcomes, strict=True):
            self._note(place, outcome)
            if isinstance(outcome, Opened) and place.envelope is None:
                place.value.clear()
                place.value.update(json.loads(b"".join(wire.render_opened(outcome))))
        _put_back(payloads, outcomes)
        unknown = sum(resembles(place.value) for place in found)
        unproven = [place for place in found if place.state is State.UNPROVEN]
        envelopes = sum(map(looks_like_envelope, unproven))
        self.left += Counter({UNKNOWN_MEMBER: unknown, UNKNOWN_ENVELOPE: envelopes})
        _restore(event)

    def _outcomes(self, payloads: list[Place], index: int) -> list[Outcome]:
        body = json.dumps({"payloads": [place.value for place in payloads]}).encode()
        try:
            return decode(wire.read(body), self._keys, Allowance())
        except WireError as error:
            raise CliError(f"events[{index}] has a malformed payload: {error}") from None
        except KeyringUnavailable as error:
            raise CliError(f"The keys are not available now: {error}. Try again later.") from None

    def _note(self, place: Place, outcome: Outcome) -> None:
        if isinstance(outcome, Opened):
            self.opened += 1
        elif isinstance(outcome, PayloadError):
            self.left[outcome.reason] += 1
        elif not _is_plain(place.value):
            self.left[UNKNOWN_ENCODING] += 1


def _is_plain(payload: Json) -> bool:
    encoding = b64((payload.get("metadata") or {}).get(ENCODING, ""))
    return not encoding or encoding.startswith(_PLAIN)


def _put_back(payloads: list[Place], outcomes: list[Outcome]) -> None:
    # Into each envelope its payloads, opened or as they were.
    inner: dict[int, tuple[Json, list[bytes]]] = {}
    for place, outcome in zip(payloads, outcomes, strict=True):
        if place.envelope is not None:
            _, new = inner.setdefault(id(place.envelope), (place.envelope, []))
            new.append(outcome.serialized if isinstance(outcome, Opened) else place.serialized)
    for envelope, new in inner.values():
        replace_payloads(envelope, iter(new))


def decoded(history: HistoryFile, decoder: Decoder) -> Iterator[bytes]:
    """The text of the decoded history, a piece for each event; raises CliError."""
    before = b'{"events":[\n'
    for index, event in enumerate(history):
        decoder.decode(event, index)
        yield before + json.dumps(event, separators=(",", ":")).encode()
        before = b",\n"
    yield b"\n]}\n"


def _restore(value: Json) -> None:
    # The encoded attributes of a failure are its message and its stack trace.
    if isinstance(value, list):
        for each in value:
            _restore(each)
    elif isinstance(value, dict):
        for name, trace in (
            ("encodedAttributes", "stackTrace"),
            ("encoded_attributes", "stack_trace"),
        ):
            attributes = _attributes(value.get(name))
            for to, text in (("message", "message"), (trace, "stack_trace")):
                if isinstance(attributes.get(text), str):
                    value[to] = attributes[text]
        for member in value.values():
            _restore(member)


def _attributes(payload: Json) -> dict[str, Json]:
    try:
        attributes = json.loads(b64decode(payload["data"]))
    except (TypeError, KeyError, ValueError, RecursionError):
        return {}  # none, still encrypted, or not what a failure converter writes
    return attributes if isinstance(attributes, dict) else {}
