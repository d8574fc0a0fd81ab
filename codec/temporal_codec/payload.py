"""A payload: its metadata, its data, and the sizes of what lies outside it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

ENCODING = "encoding"
COPY_BELOW = 4096
"""Slicing fewer bytes than these is cheaper than making a memoryview of them."""


class HasContent(Protocol):
    """The fields of a payload that the pipeline reads, from JSON or from protobuf."""

    @property
    def metadata(self) -> Mapping[str, bytes]: ...  # noqa: D102
    @property
    def data(self) -> bytes: ...  # noqa: D102


class Received(msgspec.Struct, frozen=True, gc=False):
    """A payload as a client sent it."""

    metadata: Mapping[str, bytes]
    data: bytes
    sizes: tuple[int, ...] = ()
    """Of the external payloads, in bytes."""

    __repr__ = object.__repr__  # the default would show the data
