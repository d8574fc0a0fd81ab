"""An issuer of tokens: its keys, its JWKS over https, and every way in which that may fail."""

import base64
import datetime
import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tests.rigs.https import https_server

ISSUER = "https://issuer.example.com/"
AUDIENCE = "https://codec.example.com"
EMAIL_CLAIM = "https://saas-api.tmprl.cloud/user/email"


def b64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def rsa_key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key, made once for each number and size."""
    assert number
    return rsa.generate_private_key(65537, bits)


def jwk(key: rsa.RSAPrivateKey, kid: Any = "key-1", **more: Any) -> dict[str, Any]:
    """A key's public half as an issuer publishes it."""
    numbers = key.public_key().public_numbers()
    length = (numbers.n.bit_length() + 7) // 8
    public = {"n": b64url(numbers.n.to_bytes(length)), "e": b64url(numbers.e.to_bytes(3))}
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", **public, **more}


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims; a change to None takes one away."""
    now = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "auth0|123",
        "iat": now - 10,
        "exp": now + 6 * 3600,  # some tokens are made while tests are collected
        EMAIL_CLAIM: "ana@example.com",
        **changes,
    }
    return {name: value for name, value in good.items() if value is not None}


def header(**changes: Any) -> dict[str, Any]:
    """A good token's header; a change to None takes one away."""
    good = {"alg": "RS256", "typ": "at+jwt", "kid": "key-1", **changes}
    return {name: value for name, value in good.items() if value is not None}


def token(
    head: Mapping[str, Any] | bytes | None = None,
    payload: Mapping[str, Any] | bytes | None = None,
    key: rsa.RSAPrivateKey | None = None,
) -> str:
    """A token, correctly signed over whatever it says."""
    parts = [
        each if isinstance(each, bytes) else json.dumps(each).encode()
        for each in (
            header() if head is None else head,
            claims() if payload is None else payload,
        )
    ]
    signed = ".".join(map(b64url, parts))
    signature = (key or rsa_key()).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64url(signature)}"


def certificate(
    folder: Path,
    *,
    hosts: Sequence[str] = ("localhost",),
    address: str = "127.0.0.1",
    days: tuple[int, int] = (-1, 1),
) -> tuple[Path, Path]:
    """A certificate for these hosts, which is its own authority, and its key.

    It begins and ends so many days from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ip_address(address)), *map(x509.DNSName, hosts)]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


Write = Callable[[bytes], Any]


@dataclass
class Issuer:
    """Publishes its keys; `fault` says how it fails to."""

    url: str
    certificate: Path
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(rsa_key())])
    fault: str = ""
    document: bytes | None = None
    fetches: int = 0

    def settings(self) -> dict[str, str]:
        """What makes a Codec Server trust it."""
        return {
            "CODEC_AUTH": "jwt",
            "CODEC_ISSUER": ISSUER,
            "CODEC_JWKS_URL": f"{self.url}/jwks.json",
            "CODEC_AUDIENCES": AUDIENCE,
            "CODEC_EMAIL_CLAIM": EMAIL_CLAIM,
            "SSL_CERT_FILE": str(self.certificate),
        }

    def respond(self, write: Write) -> None:
        """Answer one request, well or badly."""
        self.fetches += 1
        keys = json.dumps({"keys": self.keys}).encode()
        document = keys if self.document is None else self.document
        if self.fault.isdigit():
            location = b"Location: " + self.url.encode() + b"/good.json\r\n"
            write(
                b"HTTP/1.1 %s Fault\r\n%bContent-Length: %d\r\n\r\n"
                % (self.fault.encode(), location, len(document))
                + document
            )
        elif self.fault == "trickle":
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(100):
                write(b" ")
                time.sleep(0.3)
        elif self.fault == "trickling head":
            for _ in range(100):
                write(b"X-A: b\r\n"[:1])
                time.sleep(0.3)
        elif self.fault == "hang":
            time.sleep(20)
        elif self.fault == "200 MB":
            write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
            for _ in range(200):
                write(bytes(1_000_000))
        elif self.fault == "gzip":
            bomb = gzip.compress(bytes(50_000_000))
            write(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
                % len(bomb)
                + bomb
            )
        else:
            write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document) + document)


@contextmanager
def issuer(folder: Path) -> Iterator[Issuer]:
    """Run an issuer's https server."""
    running: list[Issuer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            running[0].respond(self._write)

        def _write(self, data: bytes) -> None:
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    cert, private = certificate(folder)
    with https_server(Handler, cert, private) as url:
        running.append(Issuer(url, cert))
        yield running[0]
