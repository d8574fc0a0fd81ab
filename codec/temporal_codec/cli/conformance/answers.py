"""What must be true of an answer, and the payloads in it."""

import json
from base64 import b64decode
from typing import Any

from temporal_codec.cli.conformance.check import Failed, expect
from temporal_codec.cli.conformance.server import Json
from temporal_codec.cli.doctor.answer import Answer

Contents = tuple[dict[str, bytes], bytes]
_SIZES = "externalPayloads"


def payloads(answer: Answer, count: int | None = None) -> list[Json]:
    """The payloads of a 200; raises Failed if there are none, or not as many as were sent."""
    expect(answer.status == 200, f"status {answer.status}")
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Failed("the body is not JSON") from None
    found = document.get("payloads", []) if isinstance(document, dict) else None
    expect(isinstance(found, list), "the body has no list of payloads")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Failed("a payload is not an object")
    expect(count is None or len(found) == count, f"{len(found)} payloads for {count}")
    return found


def contents(payload: Json) -> Contents:
    """Metadata and data of a payload in strict proto3 JSON."""
    try:
        metadata = {name: _bytes(value) for name, value in (payload.get("metadata") or {}).items()}
        return metadata, _bytes(payload.get("data") or "")
    except (ValueError, TypeError, AttributeError):
        raise Failed("metadata or data is not base64") from None


def same(found: list[Json], sent: list[Json], what: str = "payload") -> None:
    """Raise Failed unless the payloads have these contents, in this order."""
    for number, (one, other) in enumerate(zip(found, sent, strict=True), 1):
        expect(contents(one) == contents(other), f"{what} {number} is another one")


def is_refusal(answer: Answer) -> bool:
    """Whether it is a 4xx."""
    return 400 <= answer.status < 500


def _bytes(text: Any) -> bytes:  # noqa: ANN401 — a stranger's JSON
    return b64decode(text, validate=True)
