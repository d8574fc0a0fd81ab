"""How far a reader of one decode walks: the files of ours, and the hops between them."""

import asyncio
import json
import sys
from typing import Any

from handlers.access.guard import Guard
from handlers.access.jwks import issuer_keys
from handlers.access.policy import PolicyAuthorizer
from handlers.access.token import Verifier
from handlers.server.app import build_app
from handlers.server.asgi import App
from handlers.server.audit import discard
from handlers.server.request import Message
from handlers.settings.issuer import Issuer, Trust
from handlers.settings.server import server_settings
from temporal_codec.keys.keyring import development_ring
from temporal_codec.keys.sources import open_source
from tests.codec.rings import plain, sealed
from tests.handlers.server.test_outage import body
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, jwk, rsa_key, token
from tests.rigs.processes import ROOT

TEXT = body(sealed(plain(), next(iter(development_ring()))))
PARTS = (str(ROOT / "handlers"), str(ROOT / "codec"))


async def ask(app: App, headers: dict[str, str]) -> int:
    """One request; gives its status."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": TEXT, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/decode",
        "query_string": b"",
        "client": ("203.0.113.7", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return int(sent[0]["status"])


def walk(app: App, headers: dict[str, str]) -> list[str]:
    """The files of the calls of a warm request, in their order; a file stands once in a row."""
    seen: list[str] = []

    def note(frame: Any, event: str, _argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PARTS) and seen[-1:] != [file]:
            seen.append(file)

    async def traced() -> int:
        await ask(app, headers)
        sys.setprofile(note)
        try:
            return await ask(app, headers)
        finally:
            sys.setprofile(None)

    assert asyncio.run(traced()) == 200
    return seen


POLICY = (
    b'{"grants": [{"identities": ["*@example.com"], "namespaces": ["default"], '
    b'"operations": ["decode"]}]}'
)
HEADERS = {"content-type": "application/json", "x-namespace": "default"}


def test_a_decode_without_a_token_passes_few_files() -> None:
    app = build_app(server_settings({}), open_source("development"), write=discard)
    files = walk(app, HEADERS)
    assert len(set(files)) <= 11, sorted(set(files))
    assert len(files) - 1 <= 23, files


def test_a_decode_with_a_token_passes_a_few_more() -> None:
    """With RS256, a policy and a record."""
    issuer = Issuer(ISSUER, "https://issuer", (AUDIENCE,), EMAIL_CLAIM)
    keys = issuer_keys(lambda: json.dumps({"keys": [jwk(rsa_key())]}).encode())
    guard = Guard(Verifier(Trust((issuer,)), lambda _: keys), PolicyAuthorizer(lambda: POLICY))
    settings = server_settings({"CODEC_AUTH": "jwt", "CODEC_AUDIT_DIGESTS": "0"})
    app = build_app(settings, open_source("development"), guard, discard)
    files = walk(app, {**HEADERS, "authorization": f"Bearer {token()}"})
    assert len(set(files)) <= 18, sorted(set(files))
    assert len(files) - 1 <= 42, files
