"""What is wrong with a token, by its own claims. Only the server verifies it.

So every finding here is a warning: the server's response decides.
"""

import json
from collections.abc import Iterator
from typing import Any

from pybase64 import b64decode

from temporal_codec.cli.doctor.answer import Answer
from temporal_codec.cli.doctor.finding import Finding, warning
from temporal_codec.cli.doctor.probe import Probe

_FITTING = 8192
_LEEWAY_SECONDS = 60
_LONG_SECONDS = 24 * 3600
_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
# Claims that an issuer puts into ID tokens only.
_OF_ID_TOKENS = {"at_hash", "c_hash", "nonce"}

NOT_JWT = warning(
    "token-not-jwt",
    "The token is not a JWT of three parts, so a Codec Server cannot verify it.",
    "Use the access token itself, without quotes. If the provider issues opaque tokens, request an "
    "audience (`options: {{audience: ...}}` in the Web UI's configuration).",
)
ENDED = warning(
    "token-ended",
    "The token expired {seconds} seconds ago. The Web UI keeps sending such a token.",
    "Log out of the Web UI and log in again. Make access tokens live as long as ID tokens.",
)
NOT_YET = warning(
    "token-not-yet-valid",
    "The token becomes valid in {seconds} seconds.",
    "Check the clocks of this machine and of the issuer.",
)
NO_EMAIL = warning(
    "token-no-email",
    "The token has no e-mail address and no permissions, so a policy by e-mail matches nothing.",
    "Add the address to access tokens at the provider and name its claim in CODEC_EMAIL_CLAIM, or "
    "grant `sub:` and the subject.",
)
ID_TOKEN = warning(
    "token-id-token",
    "The token looks like an ID token, which says who logged in, not like an access token.",
    "Use the access token, and request an audience for the Codec Server from the provider.",
)
ALGORITHM = warning(
    "token-algorithm",
    "The token is signed with {algorithm}, which this server and others like it do not accept.",
    "Configure the provider to sign with RS256, PS256, ES256, ES384 or EdDSA.",
)
LIFETIME = warning(
    "token-lifetime",
    "The token does not state a lifetime of at most 24 hours (from iat to exp).",
    "Configure the provider to issue access tokens for hours, not days.",
)
TYPE = warning(
    "token-type",
    "The token's type (typ) is {type}; a Codec Server accepts JWT and at+jwt.",
    "Use the access token, not an ID token, a refresh token or a logout token.",
)
NOT_VERIFIED = warning(
    "token-email-not-verified",
    "The token says that its e-mail address is not verified (email_verified).",
    "Verify the address at the provider, and log in again.",
)
BOUND = warning(
    "token-bound",
    "The token is bound to a client's key or certificate (cnf), which a Codec Server cannot check.",
    "Configure the provider to issue plain bearer tokens for the Codec Server.",
)
AUDIENCE = warning(
    "token-audience",
    "The server rejects a token from the issuer {issuer} for the audience {audience}.",
    "Compare both with CODEC_ISSUER and CODEC_AUDIENCES of the server; each must match exactly.",
)
UNSEEN = warning(
    "token-unseen",
    "The response with the token is the same as without it. The token may not have arrived.",
    "Check the server's log. If it says `no token`, a CDN, gateway or proxy drops the header "
    "Authorization: let it pass.",
)
NO_SCHEME = warning(
    "codec-auth-scheme",
    "TEMPORAL_CODEC_AUTH does not start with `Bearer `. The CLI sends it as it is, and a Codec "
    "Server rejects it.",
    "Write TEMPORAL_CODEC_AUTH='Bearer TOKEN'; --codec-auth takes the same.",
)
LARGE = warning(
    "token-large",
    "The token has {size} bytes. API Gateway rejects headers of more than 10,240 bytes in all.",
    "Remove claims that nobody needs at the provider, such as long lists of groups.",
)


def check_token(probe: Probe) -> Iterator[Finding]:
    """Check what the token says about itself."""
    token = probe.target.token
    if token is None:
        return
    if probe.target.without_scheme:
        yield NO_SCHEME()
    if len(token) > _FITTING:
        yield LARGE(size=len(token))
    try:
        header, payload, _ = token.split(".")
        head, claims = _object(header), _object(payload)
    except (ValueError, RecursionError):
        yield NOT_JWT()
        return
    found = [*_times(claims, probe.clock()), *_kind(head, claims)]
    yield from found
    if probe.main.status == 401:
        yield AUDIENCE(issuer=claims.get("iss"), audience=_listed(claims.get("aud")))
        if not found and probe.token and _says(probe.main) == _says(probe.bare):
            yield UNSEEN()


def _kind(head: dict[str, Any], claims: dict[str, Any]) -> Iterator[Finding]:
    if head.get("alg") not in _ALGORITHMS:
        yield ALGORITHM(algorithm=head.get("alg"))
    if str(head.get("typ", "JWT")).lower().removeprefix("application/") not in {"jwt", "at+jwt"}:
        yield TYPE(type=head["typ"])
    if _OF_ID_TOKENS & claims.keys() or claims.get("token_use") == "id":
        yield ID_TOKEN()
    if claims.get("email_verified", True) not in {True, "true"}:
        yield NOT_VERIFIED()
    if "cnf" in claims:
        yield BOUND()
    if not claims.get("permissions") and not any(map(_names_email, claims.items())):
        yield NO_EMAIL()


def _says(answer: Answer) -> tuple[object, ...]:
    return answer.status, answer.header("www-authenticate"), answer.body


def _listed(audience: object) -> str:
    return ", ".join(map(str, audience)) if isinstance(audience, list) else str(audience)


def _times(claims: dict[str, Any], now: float) -> Iterator[Finding]:
    issued, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    begins = max(issued or 0, _seconds(claims, "nbf") or 0)
    if ends is not None and ends < now:
        yield ENDED(seconds=round(now - ends))
    if begins > now + _LEEWAY_SECONDS:
        yield NOT_YET(seconds=round(begins - now))
    if issued is None or ends is None or not 0 < ends - issued <= _LONG_SECONDS:
        yield LIFETIME()


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    fits = isinstance(value, int | float) and 0 <= value < 2**53
    return value if fits else None


def _names_email(claim: tuple[str, object]) -> bool:
    name, value = claim
    return name.rpartition("/")[2] == "email" and isinstance(value, str) and "@" in value


def _object(part: str) -> dict[str, Any]:
    standard = part.replace("-", "+").replace("_", "/")
    document = json.loads(b64decode(standard + "=" * (-len(standard) % 4), None, True))
    if not isinstance(document, dict):
        raise ValueError
    return document
