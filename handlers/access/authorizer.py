"""The interface of an authorizer: it decides what an identity may do."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from temporal_codec.cached import Cached, InThread
from temporal_codec.policy import Identity

Reason = Literal["denied", "no-email", "no-reason"]


class PolicyUnavailable(Exception):
    """No decision can be made now; the message says why."""


class Decision(msgspec.Struct, frozen=True):
    """Whether something is allowed, and why."""

    rule: str | None
    """What allows it, for the record; None denies it."""
    is_stale: bool = False
    """Whether something that it was decided by was past its fresh time."""
    why: str = ""
    """Why it is denied, for the record."""
    reason: Reason = "denied"
    """The kind of denial."""


class Authorizer(Protocol):
    """Decides whether an identity may do something to a namespace's payloads."""

    async def decide(
        self, identity: Identity, namespace: str, operation: str, in_thread: InThread
    ) -> Decision:
        """The decision; what must be fetched for it is fetched in a thread.

        Raises PolicyUnavailable.
        """

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """The caches that every decision needs, by name, so that they can be filled at start."""
