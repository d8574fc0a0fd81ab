"""The verifier alone: each claim to the edge of what is taken, and why the rest is not (T4, T5)."""

import json
from typing import Any

import pytest

from handlers.access.jwks import issuer_keys
from handlers.access.jws import TokenRefused
from handlers.access.token import MAX_TOKEN_BYTES, Verifier
from handlers.settings.issuer import Issuer, Trust
from tests.handlers.access.asking import verified
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, claims, jwk, rsa_key, token

NOW = 1_800_000_000
DAY = 24 * 3600


@pytest.fixture
def verifier() -> Verifier:
    issuer = Issuer(ISSUER, "https://issuer.example.com/jwks", (AUDIENCE,), EMAIL_CLAIM)
    keys = issuer_keys(lambda: json.dumps({"keys": [jwk(rsa_key())]}).encode())
    return Verifier(Trust((issuer,)), lambda _: keys, lambda: NOW)


def bearer(**changes: Any) -> str:
    return f"Bearer {token(payload=claims(**{'iat': NOW - 10, 'exp': NOW + 900, **changes}))}"


def sized(size: int) -> str:
    """A good header of so many bytes in all."""
    for padding in range(size // 2, size):
        made = bearer(x="y" * padding)
        if len(made) == size:
            return made
    raise AssertionError("no padding gives this size")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 59},
        {"exp": NOW - 59.5},
        {"iat": NOW + 60, "exp": NOW + 61},
        {"nbf": NOW + 60},
        {"nbf": -(2**53)},
        {"iat": NOW, "exp": NOW + DAY},
        {"iat": NOW - DAY, "exp": NOW},
        {"iat": NOW - 1, "exp": NOW},
        {"iat": NOW - 0.5, "exp": NOW},
        {"sub": "s"},
        {"sub": "s" * 256},
    ],
    ids=str,
)
def test_what_is_just_taken(changes: dict[str, Any], verifier: Verifier) -> None:
    changes = {"iat": NOW - 100, **changes}
    assert verified(verifier, bearer(**changes)).subject == changes.get("sub", "auth0|123")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iat": NOW - 900, "exp": NOW - 60}, "expired"),
        ({"iat": NOW - 900, "exp": NOW - 61}, "expired"),
        ({"iat": NOW + 61, "exp": NOW + 100}, "not yet valid"),
        ({"nbf": NOW + 61}, "not yet valid"),
        ({"iat": NOW, "exp": NOW}, "lifetime"),
        ({"iat": NOW, "exp": NOW - 1}, "lifetime"),
        ({"iat": NOW, "exp": NOW + DAY + 1}, "lifetime"),
        ({"nbf": 2**53 + 1}, "nbf"),
        ({"nbf": -(2**53) - 1}, "nbf"),
        ({"nbf": 10**400}, "nbf"),
        ({"exp": True}, "exp"),
        ({"iat": "1"}, "iat"),
        ({"sub": ""}, "sub"),
        ({"sub": "s" * 257}, "sub"),
        ({"iss": ISSUER + "x"}, "issuer"),
        ({"aud": [AUDIENCE + "x"]}, "audience"),
        ({"token_use": "id"}, "token_use"),
        ({"typ": "Refresh"}, "the claim typ"),
        ({"events": {}}, "a logout token"),
        ({"cnf": {}}, r"bound to a key \(cnf\)"),
        ({"nonce": "n", "at_hash": "h"}, "an ID token"),
        ({"at_hash": "h"}, "an ID token"),
        ({"nonce": "n", "c_hash": "h"}, "an ID token"),
        ({"token_type": "Refresh"}, "of another kind"),
        ({"type": "refresh_token"}, "of another kind"),
        ({"purpose": "id"}, "of another kind"),
    ],
    ids=str,
)
def test_what_is_just_refused(changes: dict[str, Any], reason: str, verifier: Verifier) -> None:
    """By the very check that is about it: the record names it."""
    with pytest.raises(TokenRefused, match=f"^{reason}$"):
        verified(verifier, bearer(**changes))


@pytest.mark.parametrize(
    "said",
    [{"token_type": "Bearer"}, {"type": "app"}, {"purpose": "access_token"}, {"nonce": "n"}],
    ids=str,
)
def test_what_other_providers_put_into_access_tokens_is_taken(
    said: dict[str, str], verifier: Verifier
) -> None:
    assert verified(verifier, bearer(**said)).subject == "auth0|123"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "-Infinity", "1" * 400, "1" * 4400])
def test_a_number_that_no_date_has_is_refused(number: str, verifier: Verifier) -> None:
    """Whatever the language of the issuer writes, and however long."""
    text = json.dumps(claims(iat=NOW - 10, exp=NOW + 900))[:-1] + f',"nbf":{number}}}'
    with pytest.raises(TokenRefused, match=r"^(nbf|not strict JSON)$"):
        verified(verifier, f"Bearer {token(payload=text.encode())}")


def test_the_size_of_the_header(verifier: Verifier) -> None:
    """T1: 8,192 bytes, and not one more."""
    assert MAX_TOKEN_BYTES == 8192
    assert verified(verifier, sized(8192)).subject == "auth0|123"
    with pytest.raises(TokenRefused, match=r"^not one bearer token"):
        verified(verifier, sized(8193))


@pytest.mark.parametrize("scheme", ["Basic", "Bearerx", "", "Token"])
def test_another_scheme_is_none_of_ours(scheme: str, verifier: Verifier) -> None:
    with pytest.raises(TokenRefused, match=r"^not one bearer token"):
        verified(verifier, bearer().replace("Bearer", scheme, 1))


def test_the_record_names_the_token(verifier: Verifier) -> None:
    """By its id, or by the start of its hash where it has none that can stand in a log."""
    assert verified(verifier, bearer(jti="abc-1")).token == "abc-1"
    unnamed = verified(verifier, bearer()).token
    assert unnamed.startswith("sha256:")
    assert len(unnamed) == len("sha256:") + 16
    for odd in (1, "", "a b", "x" * 129):
        assert verified(verifier, bearer(jti=odd)).token.startswith("sha256:")


@pytest.mark.parametrize(
    "email",
    ["a@.example.com", "a@example..com", "a@example.com.", "a@.", f"a@{'b' * 252}.com", "@a.com"],
)
def test_an_address_has_no_empty_part_and_no_end_of_its_own(email: str, verifier: Verifier) -> None:
    """P2: `*@*.example.com` would take the first one."""
    assert verified(verifier, bearer(**{EMAIL_CLAIM: email})).email is None


@pytest.mark.parametrize("email", ["a@b", "A@X-1.example.com", f"a@{'b' * 251}.com", "a+b.c@d.io"])
def test_other_addresses_are_taken_in_lower_case(email: str, verifier: Verifier) -> None:
    assert verified(verifier, bearer(**{EMAIL_CLAIM: email})).email == email.lower()
