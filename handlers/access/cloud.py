"""Who may do what, as Temporal Cloud itself says (rule P4).

    GET /cloud/users?email=ana@example.com
    GET /cloud/users?email=ana@example.com&namespace=orders.a1b2c

The first asks whether the account knows this person at all: a stranger costs one request in five
minutes, however many namespaces they name. The second asks whether the person has access to this
namespace, of their own or through a group; `groups` says how much a group gives.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from handlers.access.authorizer import Decision, PolicyUnavailable
from handlers.access.cloud_ops import CloudOps
from handlers.access.groups import writers
from temporal_codec.cached import Cached, InThread, NotHeld, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.operations import READS, WRITES
from temporal_codec.policy import Identity
from temporal_codec.reported import reported

T = TypeVar("T")
LIFE = Life(fresh=300, last_good=3600, cooldown=30)
# How many people, and pairs of a person and a namespace, are cached.
MAX_REMEMBERED = 1024
# How many namespaces that are not cached one person may request in a minute.
MAX_NEW = 60
_MINUTE = 60
# What held once at start holds; when a clock is set back it is asked for anew, and not lost.
_FOREVER = Life(fresh=1e9, last_good=math.inf, cooldown=30)

_NO_PERSON = "; Temporal Cloud is asked by e-mail address, and a service account has none"
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
        self._clock = clock
        self._canary = Cached(reported("Temporal Cloud's list", ops.check_filter), _FOREVER, clock)
        self._looked_up: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._roles = CachedByName[str, Cached[str | None]](
            lambda email: Cached(lambda: ops.account_role(email), LIFE, clock), MAX_REMEMBERED
        )
        self._permissions = CachedByName[tuple[str, str], Cached[tuple[str, str] | None]](
            lambda pair: Cached(lambda: ops.permission(*pair), LIFE, clock), MAX_REMEMBERED
        )
        self._writers = CachedByName[str, Cached[frozenset[str]]](
            lambda name: Cached(lambda: writers(ops, name), LIFE, clock), MAX_REMEMBERED
        )

    async def decide(
        self, identity: Identity, namespace: str, operation: str, in_thread: InThread
    ) -> Decision:
        """See `Authorizer`."""
        if identity.email is None or not identity.is_default_issuer:
            return _not_asked_about(identity)
        roles = self._roles[identity.email]
        role = await _found(roles, in_thread)
        if role is None:
            return _decision(None, roles)
        if role in _ACCOUNT_ROLES:
            return _decision("account", roles)
        await _found(self._canary, in_thread)
        permissions = self._permissions[identity.email, namespace]
        if not self._may_ask(identity.email, namespace, permissions):
            return Decision(None, why="this person asks for too many namespaces at once")
        listed = await _found(permissions, in_thread)
        if listed is None:
            return _decision(None, roles, permissions)
        user, permission = listed
        asked: list[Cached[Any]] = [roles, permissions]
        rule: str | None = permission if permission in _PERMISSIONS else "listed"
        if operation not in _PERMISSIONS.get(permission, READS):
            asked.append(self._writers[namespace])
            rule = "group" if user in await _found(self._writers[namespace], in_thread) else None
        return _decision(rule, *asked)

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """See `Authorizer`: which people it must look up is not known yet, but the API key is."""
        return {"cloud-api-key": self._ops.key, "cloud-canary": self._canary}

    def _may_ask(self, email: str, namespace: str, cached: Cached[Any]) -> bool:
        # Names that are invented must not use up the account's quota.
        with suppress(Unavailable):
            try:
                cached.held()
            except NotHeld:
                return cached.has_value or self._count(email, namespace)
        return True

    def _count(self, email: str, namespace: str) -> bool:
        now = self._clock.monotonic()
        before = self._looked_up.pop(email, {})
        recent = {name: at for name, at in before.items() if 0 <= now - at < _MINUTE}
        self._looked_up[email] = recent
        if len(self._looked_up) > MAX_REMEMBERED:
            self._looked_up.popitem(last=False)
        if may := namespace in recent or len(recent) < MAX_NEW:
            recent.setdefault(namespace, now)
        return may


def _not_asked_about(identity: Identity) -> Decision:
    if not identity.is_default_issuer:  # another issuer could name anybody's address
        return Decision(None, why="Temporal Cloud decides for the first issuer alone")
    return Decision(None, why=f"{identity.no_email}{_NO_PERSON}", reason="no-email")


def _decision(rule: str | None, *asked: Cached[Any]) -> Decision:
    is_stale = any(each.is_stale for each in asked)
    return Decision(rule and f"temporal-cloud {rule}", is_stale)


async def _found(cached: Cached[T], in_thread: InThread) -> T:
    try:
        return await cached.ready(in_thread)
    except Unavailable as error:
        raise PolicyUnavailable(f"Temporal Cloud: {error.__cause__}") from None
