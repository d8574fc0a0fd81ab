"""Who may do what, as Temporal Cloud itself says (rule P4).

    GET /cloud/users?email=ana@example.com
    GET /cloud/users?email=ana@example.com&namespace=orders.a1b2c

The first asks whether the account knows this person at all: whoever it does not know is sent
away after one request in five minutes, however many namespaces are named. The second asks
whether the person has access to this namespace, be it of their own or through a group.
"""

import threading

from handlers.access.cloud_ops import CloudOps
from handlers.access.policy import READS, WRITES, Denied, PolicyUnavailable
from handlers.access.token import Identity
from temporal_codec.cached import Cached, Life, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, system_clock

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
    """Decides by Temporal Cloud's own roles and permissions."""

    def __init__(self, ops: CloudOps, clock: Clock = system_clock) -> None:
        self._ops = ops
        self._roles = CachedByName[str, str | None](
            lambda email: Cached(lambda: ops.account_role(email), LIFE, clock), MAX_REMEMBERED
        )
        self._permissions = CachedByName[tuple[str, str], str | None](
            lambda pair: Cached(lambda: ops.permission(*pair), LIFE, clock), MAX_REMEMBERED
        )
        # Each person has an age of their own, and each request a thread of its own.
        self._last = threading.local()

    def allow(self, identity: Identity, namespace: str, operation: str) -> str:
        """See `Authorizer`."""
        self._last.asked = asked = list[Cached[str | None]]()
        if identity.email is None:
            raise Denied
        asked.append(self._roles[identity.email])
        if _listed(asked[-1]) in _ACCOUNT_ROLES:
            return "temporal-cloud account"
        asked.append(self._permissions[identity.email, namespace])
        permission = _listed(asked[-1])
        if operation not in _PERMISSIONS.get(permission, READS):
            raise Denied
        return f"temporal-cloud {permission if permission in _PERMISSIONS else 'listed'}"

    def warm(self) -> None:
        """See `Authorizer`: whom to ask about is not known yet, but with which key."""
        self._ops.warm()

    @property
    def is_stale(self) -> bool:
        """Whether what this thread's last decision came from outlived its fresh time."""
        return any(each.is_stale for each in getattr(self._last, "asked", ()))


def _listed(cached: Cached[str | None]) -> str:
    try:
        found = cached.get()
    except Unavailable as error:
        raise PolicyUnavailable(f"Temporal Cloud: {error.__cause__}") from None
    if found is None:
        raise Denied
    return found
