"""Whether keys keep a policy's namespaces apart, or only the policy does."""

from collections.abc import Iterator

from temporal_codec.cli.keys.rings import load, open_store
from temporal_codec.keys.sources import separated
from temporal_codec.namespace import PLACEHOLDER
from temporal_codec.policy import Policy

_NEXT = (
    "A caller that may decode one namespace can decode what these keys encrypted in any other, by "
    "sending it under the namespace that is granted. docs/security.md says how to change that."
)


def distinguishes(policy: Policy) -> bool:
    """Whether the policy grants some namespaces only to some callers."""
    return any(not each.is_any for grant in policy.grants for each in grant.namespaces)


def unenforced(policy: Policy, ring: str) -> Iterator[str]:
    """Warnings if the keys of this ring do not keep apart the namespaces that the policy does."""
    for each in separated(ring) if distinguishes(policy) else ():
        if each == "development":
            yield f"The development ring has the same keys for every namespace. {_NEXT}"
        # KMS binds each data key to its namespace.
        elif PLACEHOLDER not in each and not each.startswith("kms:"):
            _, keys = load(open_store(each))
            shared = [key.label for key in keys if not key.derives and not key.disabled]
            if shared:
                yield f"Keys that every namespace shares: {', '.join(shared)}. {_NEXT}"
