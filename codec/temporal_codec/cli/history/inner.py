"""The places of an event, with those inside the envelope of a system Nexus operation."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from pybase64 import b64encode

from temporal_codec.allowance import Allowance
from temporal_codec.cli.history.file import Json
from temporal_codec.cli.history.form import b64
from temporal_codec.cli.history.places import Place, State, is_payload, payload_at, walk
from temporal_codec.cli.history.system import SystemOperations
from temporal_codec.envelope import MARK, Walk, paths_of
from temporal_codec.errors import PayloadError


def places(event: Json, index: int, system: SystemOperations) -> Iterator[Place]:
    """Yield every place in the event of this index; raises NoHistory if it is nested too deeply.

    `system` is the memory of one history, whose events come in order.
    """
    outer = system.envelope_of(event)
    for place in walk(event, index):
        if outer is not None and place.value is outer and is_payload(outer):
            yield from _inside(place)
        else:
            yield place


def _inside(place: Place) -> Iterator[Place]:
    """The envelope of a system operation, which is plaintext by design, and each payload in it."""
    try:
        found = payloads_in(place.value)
        inner = [_message(each) for each in found]
    except (ValueError, PayloadError):
        # An envelope that is broken or not known could hold what is encrypted.
        yield replace(place, state=State.UNPROVEN) if looks_like_envelope(place) else place
        return
    yield replace(place, state=State.VISIBLE)
    for number, (serialized, value) in enumerate(zip(found, inner, strict=True)):
        one = payload_at(value, f"{place.path}.payload[{number}]")
        yield replace(one, envelope=place.value, serialized=serialized)


def looks_like_envelope(place: Place) -> bool:
    """Whether the server would look into the payload at a place."""
    metadata = place.value.get("metadata") or {} if is_payload(place.value) else {}
    return MARK in metadata and place.encoding == "binary/protobuf"


def _message(serialized: bytes) -> Json:
    """A serialized payload as an export would have it."""
    message = Allowance().parse(serialized)
    metadata = {name: b64encode(value).decode() for name, value in message.metadata.items()}
    return {"metadata": metadata, "data": b64encode(message.data).decode()}


def payloads_in(envelope: Json) -> list[bytes]:
    """The serialized payloads in an envelope; raises ValueError or PayloadError if it is none."""
    found: list[bytes] = []

    def keep(payload: bytes) -> bytes:
        found.append(payload)
        return payload

    _rewritten(envelope, keep)
    return found


def replace_payloads(envelope: Json, payloads: Iterator[bytes]) -> None:
    """Put these in the place of the payloads in an envelope, in order."""
    envelope["data"] = b64encode(_rewritten(envelope, lambda _: next(payloads))).decode()


def _rewritten(envelope: Json, change: Callable[[bytes], bytes]) -> bytes:
    metadata = {name: b64(text) for name, text in (envelope.get("metadata") or {}).items()}
    paths = paths_of(metadata)
    if paths is None:
        raise ValueError
    return Walk(change, Allowance()).rewritten(b64(envelope.get("data") or ""), paths)
