"""An OpenID provider that asks no questions: the person that a test names has logged in.

It gives what the providers in use give: an access token for an API, which is a JWT, and an ID
token for the client, both RS256.
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.rigs.https import https_server
from tests.rigs.issuer import (
    AUDIENCE,
    EMAIL_CLAIM,
    certificate,
    claims,
    header,
    jwk,
    rsa_key,
    token,
)

CLIENT_ID = "temporal-web-ui"
CLIENT_SECRET = "not much of a secret"
_LIFE = 900


@dataclass
class Provider:
    """The provider at `url`, which is its issuer's name, too."""

    url: str
    certificate: Path
    private: Path
    person: str = "nobody@example.com"
    """Whose e-mail address the next login is for."""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    """What each token is that was given out."""
    _logins: dict[str, tuple[str, str]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """What makes a Codec Server trust it."""
        return {
            "CODEC_AUTH": "jwt",
            "CODEC_ISSUER": self.url,
            "CODEC_JWKS_URL": f"{self.url}/jwks.json",
            "CODEC_AUDIENCES": AUDIENCE,
            "CODEC_EMAIL_CLAIM": EMAIL_CLAIM,
            "SSL_CERT_FILE": str(self.certificate),
        }

    def discovery(self) -> dict[str, Any]:
        """What it says of itself."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks.json",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        """Log the person in; gives where to send the browser."""
        assert (query["client_id"], query["response_type"]) == (CLIENT_ID, "code")
        code = secrets.token_urlsafe()
        self._logins[code] = (self.person, query["nonce"])
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def exchange(self, code: str) -> dict[str, Any]:
        """The tokens of a login; a code is good once."""
        person, nonce = self._logins.pop(code)
        access = self._token(person, "access token", {"aud": [AUDIENCE], EMAIL_CLAIM: person})
        identity = {"aud": CLIENT_ID, "email": person, "name": person, "nonce": nonce}
        return {
            "access_token": access,
            "id_token": self._token(person, "id token", identity),
            "token_type": "Bearer",
            "expires_in": _LIFE,
        }

    def _token(self, person: str, kind: str, more: dict[str, Any]) -> str:
        now = int(time.time())
        said = {"iss": self.url, "sub": f"oidc|{person}", "iat": now, "exp": now + _LIFE, **more}
        typ = "at+jwt" if kind == "access token" else "JWT"
        made = token(header(typ=typ), claims(**{EMAIL_CLAIM: None, **said}))
        self.tokens[made] = f"{kind} of {person}"
        return made


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """Run a provider over https."""
    running: list[Provider] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                self._answer(302, location=running[0].authorize(asked))
            elif path == "/jwks.json":
                self._answer(200, {"keys": [jwk(rsa_key())]})
            elif path == "/.well-known/openid-configuration":
                self._answer(200, running[0].discovery())
            else:
                self._answer(404)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer(200, running[0].exchange(form["code"][0]))

        def _answer(self, status: int, body: Any = None, location: str | None = None) -> None:
            written = json.dumps(body).encode()
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    cert, private = certificate(folder)
    with https_server(Handler, cert, private) as url:
        running.append(Provider(url, cert, private))
        yield running[0]
