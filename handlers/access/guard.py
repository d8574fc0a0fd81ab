"""Who may do this: the token's bearer, and what the authorizer says of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handlers.access.https import HttpsDocument
from handlers.access.jwks import Jwks
from handlers.access.policy import Authorizer, PolicyAuthorizer
from handlers.access.token import Identity, Verifier
from handlers.server.audit import Cache
from handlers.settings.access import Access

NOBODY = b'{"grants":[]}'


class Guard:
    """A verifier of tokens and an authorizer, as the settings say."""

    def __init__(self, verifier: Verifier, authorizer: Authorizer) -> None:
        self._verifier = verifier
        self._authorizer = authorizer

    def identify(self, authorization: str | None) -> Identity:
        """The caller; raises TokenRefused or JwksUnavailable."""
        return self._verifier.verify(authorization)

    def allow(self, identity: Identity, namespace: str, operation: str) -> str:
        """The rule that allows it; raises Denied or PolicyUnavailable."""
        return self._authorizer.allow(identity, namespace, operation)

    def warmers(self) -> list[Callable[[], None]]:
        """What fetches what it decides by, each apart."""
        return [self._verifier.warm, self._authorizer.warm]

    def stale(self) -> list[Cache]:
        """Which of what it decides by outlived its fresh time."""
        held: dict[Cache, bool] = {
            "jwks": self._verifier.is_stale,
            "policy": self._authorizer.is_stale,
        }
        return [name for name, is_stale in held.items() if is_stale]


def make_guard(access: Access | None) -> Guard | None:
    """The guard that the settings ask for."""
    if access is None:
        return None
    keys = Jwks(HttpsDocument(access.trust.jwks_url))
    return Guard(Verifier(access.trust, keys), _authorizer(access))


def _authorizer(access: Access) -> Authorizer:
    # What the settings do not ask for is not loaded: each of these takes a part of a cold start.
    if access.authorizer == "permissions-claim":
        from handlers.access.permissions import PermissionsClaim  # noqa: PLC0415

        return PermissionsClaim()
    if access.cloud_api_key is not None:
        from handlers.access.cloud import CloudAuthorizer  # noqa: PLC0415
        from handlers.access.cloud_key import Secret  # noqa: PLC0415
        from handlers.access.cloud_ops import CloudOps  # noqa: PLC0415

        return CloudAuthorizer(CloudOps(Secret(access.cloud_api_key)))
    if access.policy is None:
        return PolicyAuthorizer(lambda: NOBODY)
    scheme, _, name = access.policy.partition(":")
    return PolicyAuthorizer(Path(name).read_bytes if scheme == "file" else Parameter(name))


class Parameter:
    """A parameter of AWS Systems Manager, fetched anew at each call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Any = None

    def __call__(self) -> bytes:
        """Its value; raises what botocore raises."""
        if self._client is None:
            from temporal_codec.keys.secrets_manager import make_client  # noqa: PLC0415 — a file needs no AWS

            self._client = make_client("ssm")
        answer = self._client.get_parameter(Name=self._name)
        return str(answer["Parameter"]["Value"]).encode()
