"""What a token lacks, by its own words: it is decoded here, and verified by the server alone.

So nothing here is more than a warning: the server's answer decides.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pybase64 import b64decode

from temporal_codec.cli.doctor.finding import Finding, warning
from temporal_codec.cli.doctor.probe import Probe
from temporal_codec.cli.errors import WrongUsage

VARIABLE = "TEMPORAL_CODEC_TOKEN"
_ENOUGH = 65_536  # anything longer is no token
_FITTING = 8192
_LEEWAY_SECONDS = 60
_LONG_SECONDS = 24 * 3600
# Members that an issuer puts into ID tokens, and into nothing else.
_OF_ID_TOKENS = {"at_hash", "c_hash", "nonce"}

NOT_JWT = warning(
    "token-not-jwt",
    "The token is no JWT of three parts, so this server and others like it cannot verify it.",
    "Give the access token itself, without quotes. If the provider gives opaque tokens, ask it "
    "for an audience (`options: {{audience: ...}}` in the Web UI's configuration).",
)
ENDED = warning(
    "token-ended",
    "The token ended {seconds} seconds ago. The Web UI goes on sending such a token.",
    "Log out of the Web UI and in again. Let access tokens live at least as long as ID tokens.",
)
NOT_YET = warning(
    "token-not-yet-valid",
    "The token begins in {seconds} seconds.",
    "Look at the clocks of this machine and of the issuer.",
)
NO_EMAIL = warning(
    "token-no-email",
    "The token names no e-mail address, and no permissions either: a policy has nothing to match.",
    "Let the provider put the address into access tokens (CODEC_EMAIL_CLAIM names the claim), or "
    "grant `sub:` and the subject.",
)
ID_TOKEN = warning(
    "token-id-token",
    "The token looks like an ID token, which says who logged in, and not like an access token.",
    "Give the access token, and ask the provider for an audience of the Codec Server's own.",
)
ALGORITHM = warning(
    "token-algorithm",
    "The token is signed with {algorithm}; Temporal Cloud's are signed with RS256.",
    "Let the provider sign access tokens for this audience with RS256.",
)
LIFETIME = warning(
    "token-lifetime",
    "The token says no time of 24 hours or less from its beginning (iat) to its end (exp).",
    "Let the provider give access tokens a lifetime of hours at most.",
)
LARGE = warning(
    "token-large",
    "The token has {size} bytes: gateways refuse headers of more than 10,240 in all.",
    "Let the provider leave out what nobody needs, such as long lists of groups.",
)


def read_token(file: Path | None, environment: Mapping[str, str], typed: Callable[[], str]) -> str:
    """The token from a file, from what is typed (``-``), or from the environment; may be empty.

    Raises WrongUsage, which never shows it.
    """
    if file is None:
        text = environment.get(VARIABLE, "")
    else:
        text = typed() if str(file) == "-" else _read(file)
        if not text.strip():
            raise WrongUsage("There is no token in what --token-file names.")
    token = text.strip()
    token = token[7:].strip() if token[:7].lower() == "bearer " else token
    if not (token.isascii() and token.isprintable()) or " " in token or len(token) > _ENOUGH:
        raise WrongUsage("This is no token: it has spaces or line breaks in it, or is too long.")
    return token


def check_token(probe: Probe) -> Iterator[Finding]:
    """What the token says of itself."""
    token = probe.visit.token
    if token is None:
        return
    if len(token) > _FITTING:
        yield LARGE(size=len(token))
    try:
        header, payload, _ = token.split(".")
        head, claims = _object(header), _object(payload)
    except (ValueError, RecursionError):
        yield NOT_JWT()
        return
    yield from _times(claims, probe.clock())
    if head.get("alg") != "RS256":
        yield ALGORITHM(algorithm=head.get("alg"))
    if _OF_ID_TOKENS & claims.keys():
        yield ID_TOKEN()
    if not claims.get("permissions") and not any(map(_names_email, claims.items())):
        yield NO_EMAIL()


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


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_ENOUGH + 1).decode(errors="replace")
    except OSError as error:
        raise WrongUsage(f"The token's file {file} cannot be read: {error.strerror}.") from None
