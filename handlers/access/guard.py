"""What checks a caller: the verifier of tokens and the authorizer that the settings ask for."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from handlers.access.authorizer import Authorizer
from handlers.access.documents import MAX_BYTES as MAX_KEYS_BYTES
from handlers.access.documents import ProxyOf, open_document
from handlers.access.jwks import issuer_keys
from handlers.access.policy import LIFE, PolicyAuthorizer
from handlers.access.token import KeyStore, Verifier
from handlers.settings.access import Access
from handlers.settings.issuer import Issuer, Trust
from temporal_codec.cached import Cached
from temporal_codec.policy import MAX_BYTES
from temporal_codec.reported import reported

NOBODY = b'{"grants":[]}'


class Guard(NamedTuple):
    """What a server that requires tokens asks, first who is calling and then whether they may."""

    verifier: Verifier
    authorizer: Authorizer

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """The caches that every request needs, by name, so that they can be filled at start."""
        return {**self.verifier.caches, **self.authorizer.caches}


def make_guard(access: Access | None) -> Guard | None:
    """The guard that the settings ask for."""
    if access is None:
        return None
    return Guard(Verifier(_trust(access), partial(_keys, access.proxy_of)), _authorizer(access))


def _trust(access: Access) -> Trust | Cached[Trust]:
    if access.trust_document is None:
        return access.trust
    from handlers.access import trust  # noqa: PLC0415 — as below

    fetch = open_document(access.trust_document, trust.MAX_BYTES)

    def read() -> Trust:
        return trust.parse(fetch(), with_cookies=access.with_cookies)

    return Cached(reported("the trust document", read), LIFE)


def _keys(proxy_of: ProxyOf, issuer: Issuer) -> KeyStore:
    scheme, _, region = issuer.jwks_url.partition(":")
    if scheme == "alb":
        from handlers.access.alb import load_balancer_keys  # noqa: PLC0415 — as below

        return load_balancer_keys(region, proxy_of)
    fetch = open_document(issuer.jwks_url, MAX_KEYS_BYTES, proxy_of)
    # A file is read again as often as a policy.
    return issuer_keys(fetch, life=LIFE) if scheme == "file" else issuer_keys(fetch)


def _authorizer(access: Access) -> Authorizer:
    # A module that the settings do not require is not loaded: each takes a part of a cold start.
    if access.authorizer == "permissions-claim":
        from handlers.access.permissions import PermissionsClaim  # noqa: PLC0415

        return PermissionsClaim()
    if access.cloud_api_key is not None:
        from handlers.access.cloud import CloudAuthorizer  # noqa: PLC0415
        from handlers.access.cloud_key import Secret  # noqa: PLC0415
        from handlers.access.cloud_ops import CloudOps  # noqa: PLC0415

        return CloudAuthorizer(CloudOps(Secret(access.cloud_api_key), proxy_of=access.proxy_of))
    if access.policy is None:
        return PolicyAuthorizer(lambda: NOBODY)
    return PolicyAuthorizer(open_document(access.policy, MAX_BYTES))
