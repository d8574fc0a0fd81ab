"""Who may do what, as Temporal Cloud itself says (rule P4).

    GET /cloud/users?email=ana@example.com
    GET /cloud/users?email=ana@example.com&namespace=orders.a1b2c

The first asks whether the account knows this person at all: a stranger costs one request in five
minutes, however many namespaces they name. The second asks whether the person has access to this
namespace, of their own or through a group.
"""

from collections.abc import Mapping
from typing import Any

from handlers.access.authorizer import Decision, PolicyUnavailable
from handlers.access.cloud_ops import CloudOps
from temporal_codec.cached import Cached, InThread, Life, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, system_clock
from temporal_codec.operations import READS, WRITES
from temporal_codec.policy import Identity

LIFE = Life(fresh=300, last_good=3600, cooldown=30)
# People, and pairs of a person and a namespace, that are remembered at a time.
MAX_REMEMBERED = 1024

_ACCOUNT_ROLES = frozenset({"ROLE_OWNER", "ROLE_ADMIN"})
_PERMISSIONS = {
    "PERMISSION_READ": READS,
    "PERMISSION_WRITE": WRITES,
    "PERMISSION_ADMIN": WRITES,
}


class CloudAuthorizer:
    """Decides by Temporal Cloud's own roles and permissions (an `Authorizer`)."""

    def __init__(self, ops: CloudOps, clock: Clock = system_clock) -> None:
        self._ops = ops
        self._roles = CachedByName[str, Cached[str | None]](
            lambda email: Cached(lambda: ops.account_role(email), LIFE, clock), MAX_REMEMBERED
        )
        self._permissions = CachedByName[tuple[str, str], Cached[str | None]](
            lambda pair: Cached(lambda: ops.permission(*pair), LIFE, clock), MAX_REMEMBERED
        )

    async def decide(
        self, identity: Identity, namespace: str, operation: str, in_thread: InThread
    ) -> Decision:
        """See `Authorizer`."""
        if identity.email is None:
            return Decision(None)
        roles = self._roles[identity.email]
        role = await _found(roles, in_thread)
        if role is None:
            return _decision(None, roles)
        if role in _ACCOUNT_ROLES:
            return _decision("account", roles)
        permissions = self._permissions[identity.email, namespace]
        permission = await _found(permissions, in_thread)
        if permission is None or operation not in _PERMISSIONS.get(permission, READS):
            return _decision(None, roles, permissions)
        known = permission if permission in _PERMISSIONS else "listed"
        return _decision(known, roles, permissions)

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """See `Authorizer`: which people it must look up is not known yet, but the API key is."""
        return {"cloud-api-key": self._ops.key}


def _decision(rule: str | None, *asked: Cached[str | None]) -> Decision:
    stale = any(each.is_stale for each in asked)
    return Decision(rule and f"temporal-cloud {rule}", ("policy",) if stale else ())


async def _found(cached: Cached[str | None], in_thread: InThread) -> str | None:
    try:
        return await cached.ready(in_thread)
    except Unavailable as error:
        raise PolicyUnavailable(f"Temporal Cloud: {error.__cause__}") from None
