"""An exported history with its payloads opened, event by event."""

import json
from collections import Counter
from collections.abc import Iterator

from pybase64 import b64decode

from temporal_codec import wire
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.history.file import HistoryFile, Json
from temporal_codec.cli.history.places import is_payload, places
from temporal_codec.errors import KeyringUnavailable, PayloadError, WireError
from temporal_codec.keys.keys import Keys
from temporal_codec.pipeline import Opened, decode


class Decoder:
    """Opens the payloads of events, and counts what became of them."""

    def __init__(self, keys: Keys) -> None:
        """Take the keys of the namespace that the history comes from."""
        self._keys = keys
        self.opened = 0
        self.left: Counter[str] = Counter()
        """Payloads that stay as they are, by reason."""

    def decode(self, event: Json, index: int) -> None:
        """Open what an event holds, in place; raises CliError."""
        found = [place.value for place in places(event, index) if is_payload(place.value)]
        try:
            outcomes = decode(wire.read(json.dumps({"payloads": found}).encode()), self._keys)
        except WireError as error:
            raise CliError(f"events[{index}] has a payload that is none: {error}") from None
        except KeyringUnavailable as error:
            raise CliError(f"The keys cannot be fetched now: {error}. Try again later.") from None
        for payload, outcome in zip(found, outcomes, strict=True):
            if isinstance(outcome, Opened):
                payload.clear()
                payload.update(json.loads(b"".join(wire.render_opened(outcome))))
                self.opened += 1
            elif isinstance(outcome, PayloadError):
                self.left[outcome.reason] += 1
        _restore(event)


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
    except (TypeError, KeyError, ValueError):
        return {}  # none, or still encrypted
    return attributes if isinstance(attributes, dict) else {}
