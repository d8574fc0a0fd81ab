"""Decides by a policy document that is fetched again as it ages (rules P1 and P3)."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from handlers.access.authorizer import Decision, PolicyUnavailable
from temporal_codec.cached import Cached, InThread, Unavailable
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.policy import Identity, Policy, parse
from temporal_codec.reported import reported

# A change is in force within 60 s; if the source is down, the last good document serves an hour.
LIFE = Life(fresh=50, last_good=3600, cooldown=30)


class PolicyAuthorizer:
    """See `Authorizer`."""

    def __init__(self, fetch: Callable[[], bytes], clock: Clock = system_clock) -> None:
        """Take what fetches the document."""
        self._cached = Cached(reported("the policy", lambda: parse(fetch())), LIFE, clock)

    async def decide(
        self, identity: Identity, namespace: str, operation: str, in_thread: InThread
    ) -> Decision:
        """See `Authorizer`."""
        try:
            policy = await self._cached.ready(in_thread)
        except Unavailable as error:
            raise PolicyUnavailable(str(error.__cause__)) from None
        rule = policy.decide(identity, namespace, operation)
        decision = Decision(rule, self._cached.is_stale)
        if rule is None and policy.decide(replace(identity, purpose="any"), namespace, operation):
            return replace(decision, reason="no-reason", why="its grant requires a reason")
        if rule is None and identity.no_email:
            return replace(decision, reason="no-email", why=identity.no_email)
        return decision

    @property
    def caches(self) -> Mapping[str, Cached[Policy]]:
        """See `Authorizer`."""
        return {"policy": self._cached}
