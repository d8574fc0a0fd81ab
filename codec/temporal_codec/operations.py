"""The operations of a Codec Server: the one table that settings, policies and the app read."""

from typing import NamedTuple


class Operation(NamedTuple):
    """What an operation does to payloads, and what it needs."""

    name: str
    writes: bool = False
    """Whether it makes payloads for the Temporal Service, and not only reads them."""
    needs_storage: bool = False
    """Whether it is served only if a storage for large payloads is configured."""
    passes_through: bool = False
    """Whether a denied caller may get the payloads back unchanged."""


OPERATIONS = {
    each.name: each
    for each in (
        Operation("decode", passes_through=True),
        Operation("encode", writes=True),
        Operation("download", needs_storage=True),
    )
}
READS = frozenset(each.name for each in OPERATIONS.values() if not each.writes)
WRITES = frozenset(OPERATIONS)
"""The operations of a role that may write: all."""
