"""Who may do what, as the token's own claim says, as Temporal's default claim mapper reads it.

{"permissions": ["orders:read", "temporal-system:admin"]}
"""

from collections.abc import Mapping

from handlers.access.authorizer import Decision
from handlers.settings.issuer import TEMPORAL_CLOUD
from temporal_codec.cached import Cached, InThread
from temporal_codec.operations import READS, WRITES
from temporal_codec.policy import Identity

_SYSTEM = "temporal-system"
_ROLES = {"read": READS, "worker": READS, "write": WRITES, "admin": WRITES}


class PermissionsClaim:
    """Decides by the token's permissions: `<namespace>:<role>`, the role in any case."""

    async def decide(
        self, identity: Identity, namespace: str, operation: str, _in_thread: InThread
    ) -> Decision:
        """See `Authorizer`."""
        if identity.issuer == TEMPORAL_CLOUD.issuer:
            return Decision(None, why="all customers of Temporal Cloud share its issuer")
        for where, role in identity.permissions:
            if where in {namespace, _SYSTEM} and operation in _ROLES.get(role.lower(), ()):
                return Decision(f"permissions {role.lower()}")
        return Decision(None, why="no permission of the token covers it")

    @property
    def caches(self) -> Mapping[str, Cached[None]]:
        """See `Authorizer`: the token is all that it looks at."""
        return {}
