"""A token's compact form, to the edge of what is taken (rules T1 to T3)."""

import json
import subprocess
import sys

import pytest
from jwt.utils import base64url_encode

from handlers.access import jws
from handlers.access.jws import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, TokenRefused
from tests.rigs.processes import ROOT

HEADER = json.dumps({"alg": "RS256", "kid": "k"}).encode()


def token(header: bytes = HEADER, payload: bytes = b"{}", signature: bytes = bytes(256)) -> str:
    return ".".join(base64url_encode(part).decode() for part in (header, payload, signature))


def test_the_limits_of_its_parts() -> None:
    """T1: a header of 1,024 bytes and a payload of 6,144, and not one more."""
    assert (MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES) == (1024, 6144)
    largest = jws.read(token(HEADER.ljust(1024), b"{}".ljust(6144)))
    assert len(largest.payload) == 6144
    for wrong in (token(HEADER.ljust(1025)), token(payload=b"{}".ljust(6145))):
        with pytest.raises(TokenRefused, match="too large"):
            jws.read(wrong)


def test_one_text_for_each_value() -> None:
    """T2: what the last character leaves over must be zero, or one token has 16 spellings."""
    good = token()
    assert good.endswith("A")
    assert jws.read(good).kid == "k"
    for last in "BCDP":
        with pytest.raises(TokenRefused, match="not strict base64url"):
            jws.read(good[:-1] + last)


def test_padding_is_accepted_only_where_it_is_asked_for() -> None:
    """T2: AWS load balancers alone write it."""
    padded = f"{token()}=="
    assert jws.read(padded, padded=True).kid == "k"
    with pytest.raises(TokenRefused, match="not three parts of base64url"):
        jws.read(padded)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "rs256", "", ["RS256"], 1, None])
def test_an_algorithm_that_nobody_may_use_is_refused_by_the_reader(algorithm: object) -> None:
    """T3: before anybody asks which ones an issuer has."""
    header = json.dumps({"alg": algorithm, "kid": "k"}).encode()
    with pytest.raises(TokenRefused, match="algorithm"):
        jws.read(token(header))


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "application/at+JWT"])
def test_every_spelling_of_an_access_token_s_kind_is_taken(kind: str) -> None:
    """Also if a part of the token ends in a letter that only looks odd."""
    header = json.dumps({"alg": "RS256", "kid": "k", "typ": kind}).encode()
    read = jws.read(token(header, signature=b"\x00\x00\x17"))
    assert read.header["typ"] == kind
    assert jws.read(token(signature=b"\x00\x00\x17")).kid == "k"


def test_the_first_token_loads_no_certificates() -> None:
    """X.509 takes longer than all the rest of PyJWT; it is loaded when somebody uses it."""
    script = """
import sys
from handlers.access.jws import _verifiers
assert _verifiers()["RS256"]
print("cryptography.x509.name" in sys.modules)
import jwt.algorithms
print(jwt.algorithms.x509.load_der_x509_certificate.__name__)
from cryptography.x509.oid import NameOID
print("cryptography.x509.name" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "load_der_x509_certificate", "True"]
