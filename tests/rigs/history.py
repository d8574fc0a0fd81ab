"""Histories as `temporal workflow show --output json` prints them."""

from collections.abc import Iterator
from typing import Any


def payloads_of(part: Any) -> Iterator[dict[str, Any]]:
    """Every payload in a part of a history."""
    if isinstance(part, dict):
        if "encoding" in (part.get("metadata") or {}):
            yield part
        for value in part.values():
            yield from payloads_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from payloads_of(value)
