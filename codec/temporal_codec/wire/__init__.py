"""The proto3 JSON of Temporal's remote codecs: ``{"payloads": [...]}`` to payloads and back."""

from temporal_codec.wire.quick import MAX_PAYLOADS, read
from temporal_codec.wire.render import (
    Pieces,
    assemble,
    render,
    render_opened,
    render_received,
    sealed_renderer,
    write,
)

__all__ = [
    "MAX_PAYLOADS",
    "Pieces",
    "assemble",
    "read",
    "render",
    "render_opened",
    "render_received",
    "sealed_renderer",
    "write",
]
