"""Who is calling: a token, verified.

Cheap checks come before any that may need the network, so that garbage never causes a fetch
(rules T1 to T7).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from handlers.access import claims as token_claims
from handlers.access import jws
from handlers.access.jws import Key, refuse
from handlers.settings.issuer import Issuer, Trust
from temporal_codec.cached import Cached, InThread, Unavailable
from temporal_codec.policy import Identity
from temporal_codec.strict_json import NotStrict, read_object

MAX_TOKEN_BYTES = 8192
ALB_HEADER = "header:x-amzn-oidc-data"

Headers = Mapping[bytes, bytes]
"""A request's headers, by lower-case name."""


class TrustUnavailable(Exception):
    """The trust document is not available now; the message says why."""


class JwksUnavailable(Exception):
    """It is not known now whether the issuer has such a key; the message says why."""


class KeyStore(Protocol):
    """The keys of one issuer."""

    async def key(self, kid: str, in_thread: InThread) -> Key:
        """The key of this id; raises TokenRefused or JwksUnavailable."""

    @property
    def cached(self) -> Cached[Any]:
        """What every token of the issuer needs."""


class IssuerKeys:
    """The keys that an issuer publishes together (a `KeyStore`)."""

    def __init__(self, cached: Cached[Mapping[str, Key]]) -> None:
        self.cached = cached

    async def key(self, kid: str, in_thread: InThread = asyncio.to_thread) -> Key:
        """See `KeyStore`."""
        try:
            key = (await self.cached.ready(in_thread)).get(kid)
            if key is None:
                key = (await self.cached.newer(in_thread)).get(kid)
        except Unavailable as error:
            raise JwksUnavailable(str(error.__cause__)) from None
        if key is None:
            refuse("unknown kid")
        return key


class Verified(NamedTuple):
    """The caller that a token identifies."""

    identity: Identity
    is_stale: bool
    """Whether the keys of its issuer are stale."""


class Verifier:
    """Makes an Identity from a request's token."""

    def __init__(
        self,
        trust: Trust | Cached[Trust],
        open_keys: Callable[[Issuer], KeyStore],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the trusted issuers, what opens an issuer's keys, and a clock in seconds."""
        self._trust = trust
        self._open_keys = open_keys
        self._clock = clock
        self._keys: dict[Issuer, KeyStore] = {}
        if isinstance(trust, Trust):
            self._keys = {each: open_keys(each) for each in trust.issuers}

    async def verify(self, headers: Headers, in_thread: InThread = asyncio.to_thread) -> Verified:
        """The caller; raises TokenRefused, JwksUnavailable or TrustUnavailable."""
        try:
            trust = self._trust
            if isinstance(trust, Cached):
                trust = await trust.ready(in_thread)
        except Unavailable as error:
            raise TrustUnavailable(str(error.__cause__)) from None
        place, token = _find(trust.token_from, headers)
        signed = jws.read(token, padded=place == ALB_HEADER)
        claims = _claims(signed.payload)
        address = claims.get("iss")
        issuer = next((each for each in trust.issuers if each.issuer == address), None)
        if issuer is None:
            refuse("issuer")
        if signed.algorithm not in issuer.algorithms:
            refuse("algorithm")
        if issuer.signer:
            claims = _as_load_balancer(signed, claims, issuer, self._clock())
        token_claims.check(claims, issuer, self._clock())
        identity = token_claims.identify(
            claims,
            issuer,
            kid=signed.kid,
            token=token_claims.token_id(claims, token),
            is_default_issuer=issuer is trust.issuers[0],
            token_from=place,
        )
        store = self._store(issuer, trust)
        signed.check(await store.key(signed.kid, in_thread))
        # A trust document's regular expression may be slow: only an issuer's own text gets there.
        permissions = token_claims.read_permissions(
            claims.get(issuer.permissions_claim), issuer.permissions_regex
        )
        return Verified(replace(identity, permissions=permissions), store.cached.is_stale)

    @property
    def caches(self) -> Mapping[str, Cached[Any]]:
        """The caches that every request needs, by name."""
        if isinstance(self._trust, Cached):
            return {"trust": self._trust}
        return {f"jwks of {each.name}": store.cached for each, store in self._keys.items()}

    def _store(self, issuer: Issuer, trust: Trust) -> KeyStore:
        # An issuer's keys are kept if the document changes other issuers.
        store = self._keys.get(issuer)
        if store is None:
            store = self._open_keys(issuer)
            kept = {each: held for each, held in self._keys.items() if each in trust.issuers}
            self._keys = {**kept, issuer: store}
        return store


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return read_object(payload)
    except NotStrict:
        refuse("not strict JSON")


def _as_load_balancer(
    signed: jws.Jws, claims: dict[str, Any], issuer: Issuer, now: float
) -> dict[str, Any]:
    # A load balancer puts into its signed header what other issuers put into claims.
    header = signed.header
    if header.get("signer") != issuer.signer:
        refuse("signer")
    expires = claims.get("exp", header.get("exp"))
    issued = min(now, expires - 1) if isinstance(expires, int | float) else None
    return {"iat": issued, **claims, "exp": expires, issuer.audience_claim: header.get("client")}


def _find(places: tuple[str, ...], headers: Headers) -> tuple[str, str]:
    # The first place that holds a token decides (rule T5).
    for place in places:
        kind, _, name = place.partition(":")
        value = _cookie(name, headers) if kind == "cookie" else _header(name or kind, headers)
        if value:
            if len(value) > MAX_TOKEN_BYTES:
                refuse("not one bearer token of a fitting size")
            return place, _bare(value, needs_scheme=kind == "authorization")
    return refuse("no token")


def _header(name: str, headers: Headers) -> str:
    return headers.get(name.encode(), b"").decode("latin-1")


def _cookie(name: str, headers: Headers) -> str:
    pairs = (each.strip().partition("=") for each in _header("cookie", headers).split(";"))
    found = [value for key, _, value in pairs if key == name]
    if len(found) > 1:
        refuse("two cookies of one name")
    return found[0] if found else ""


def _bare(value: str, *, needs_scheme: bool) -> str:
    scheme, blank, token = value.partition(" ")
    if blank or needs_scheme:
        if scheme.lower() != "bearer":
            refuse("not one bearer token of a fitting size")
        return token
    return value
