"""What a token says about its bearer, unverified: to explain a policy, never to decide."""

from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

from temporal_codec.cli.doctor.given import read_token
from temporal_codec.cli.errors import WrongUsage
from temporal_codec.policy import Identity
from temporal_codec.strict_json import NotStrict, read_object

_EMAIL_CLAIMS = ("https://saas-api.tmprl.cloud/user/email", "email")


def caller(file: Path, email_claim: str | None, groups_claim: str, issuer: str) -> Identity:
    """The identity that a server would see; raises WrongUsage."""
    claims = _claims(file)
    names = (email_claim,) if email_claim else _EMAIL_CLAIMS
    texts = [text for name in names if isinstance(text := claims.get(name), str)]
    email = next((each for each in texts if each.isascii()), None)
    groups = claims.get(groups_claim)
    listed = groups.split() if isinstance(groups, str) else groups
    named = listed if isinstance(listed, list) else []
    return Identity(
        subject=str(claims.get("sub", "")),
        email=email.lower() if email else None,
        issuer=str(claims.get("iss", "")),
        groups=frozenset(each for each in named if isinstance(each, str)),
        claims=claims,
        issuer_name=issuer,
        is_default_issuer=not issuer,
        no_email=f"none in the claim {' or '.join(names)}",
    )


def _claims(file: Path) -> dict[str, Any]:
    token = read_token(file, {})
    try:
        _, payload, _ = token.split(".")
        return read_object(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, NotStrict):
        raise WrongUsage(
            "The token is not a JWT of three parts. Use the access token itself, without quotes."
        ) from None
