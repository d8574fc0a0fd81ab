"""The keys of an AWS load balancer: one in PEM for each id, at its region's address."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from handlers.access.documents import FetchError, HttpsHost, ProxyOf
from handlers.access.jwks import LIFE
from handlers.access.jws import Key, refuse
from handlers.access.token import JwksUnavailable
from temporal_codec.cached import Cached, InThread, Unavailable
from temporal_codec.clock import Clock, system_clock

MAX_KEYS = 8
_KID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# How many ids that are not cached may be requested during one cooldown.
_MAX_NEW = 4


class LoadBalancerKeys:
    """Keys that are asked for by id (a `KeyStore`)."""

    def __init__(self, fetch: Callable[[str], bytes], clock: Clock = system_clock) -> None:
        """Take what fetches the key of an id."""
        self._fetch = fetch
        self._clock = clock
        self._held: dict[str, Cached[Key | None]] = {}
        self._asked: list[float] = []
        self.cached = Cached[Any].of(None)

    async def key(self, kid: str, in_thread: InThread = asyncio.to_thread) -> Key:
        """See `KeyStore`."""
        if not _KID.fullmatch(kid):
            refuse("unknown kid")
        cached = self._held.get(kid) or self._new(kid)
        try:
            key = await cached.ready(in_thread)
        except Unavailable as error:
            self._held.pop(kid, None)
            raise JwksUnavailable(str(error.__cause__)) from None
        if key is None:
            self._held.pop(kid, None)
            refuse("unknown kid")
        return key

    def _new(self, kid: str) -> Cached[Key | None]:
        now = self._clock.monotonic()
        self._asked = [each for each in self._asked if 0 <= now - each < LIFE.cooldown]
        if len(self._asked) >= _MAX_NEW:
            refuse("unknown kid")
        self._asked.append(now)
        if len(self._held) >= MAX_KEYS:
            self._held.pop(next(iter(self._held)))
        made = Cached(lambda: _parse(self._fetch, kid), LIFE, self._clock)
        self._held[kid] = made
        return made


def _parse(fetch: Callable[[str], bytes], kid: str) -> Key | None:
    try:
        public = load_pem_public_key(fetch(kid))
    except FetchError as error:
        if error.status in {403, 404}:  # S3's answers for what is not there
            return None
        raise
    if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1):
        raise FetchError("the load balancer's key is not one for ES256")
    return Key(public, frozenset({"ES256"}))


def load_balancer_keys(region: str, proxy_of: ProxyOf) -> LoadBalancerKeys:
    """The keys of the load balancers of a region."""
    name, suffix, folder = f"public-keys.auth.elb.{region}", "", ""
    if region.startswith("cn-"):
        suffix = ".cn"
    if region.startswith("us-gov-"):  # as a bucket alone
        name, folder = f"s3-{region}", f"/aws-elb-public-keys-prod-{region}"
    host = HttpsHost(f"https://{name}.amazonaws.com{suffix}", proxy_of)
    return LoadBalancerKeys(lambda kid: host.get(f"{folder}/{kid}"))
