"""Who may do what, as the token's own claim says, in the way of Temporal's default authorizer.

{"permissions": ["orders:read", "temporal-system:admin"]}
"""

from handlers.access.policy import READS, WRITES, Denied
from handlers.access.token import Identity

_SYSTEM = "temporal-system"
_ROLES = {"read": READS, "worker": READS, "write": WRITES, "admin": WRITES}


class PermissionsClaim:
    """Decides by the token's claim `permissions`: `<namespace>:<role>`, as Temporal reads it."""

    def allow(self, identity: Identity, namespace: str, operation: str) -> str:
        """See `Authorizer`."""
        for permission in identity.permissions:
            where, _, role = permission.rpartition(":")
            if where in {namespace, _SYSTEM} and operation in _ROLES.get(role, ()):
                return f"permissions {role}"
        raise Denied

    def warm(self) -> None:
        """See `Authorizer`: the token is all that it looks at."""

    @property
    def is_stale(self) -> bool:
        """Never."""
        return False
