"""The Codec Server as a bare ASGI app: every check in its order, and one table of errors.

A request passes these checks, in this order, and the code below follows it line by line:

    known operation 404, method 405, origin 403, declared length 413, content type 415,
    namespace 400, token shape and claims 401, JWKS 503, signature 401, policy 503 or 403,
    body read 413, parsed 400, keys 503, answer size 413

A preflight is answered before all of them (handlers/asgi.py), on any path: a browser shows a
404 to the page that asked only where the preflight went well.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from codec.errors import (
    CodecError,
    InvalidNamespace,
    KeyringNotFound,
    KeyringUnavailable,
    PayloadError,
    WireError,
)
from codec.sources import KeySource, check_namespace
from handlers.asgi import Answer, App, Call, Refusal, guarded
from handlers.auth import TokenRefused
from handlers.guard import Guard
from handlers.jwks import JwksUnavailable
from handlers.operations import OPERATIONS, Job, pass_through, read_payloads
from handlers.policy import Denied, PolicyUnavailable
from handlers.settings import ServerSettings

MAX_BODY_BYTES = 4_500_000
BODY_SECONDS = 15

_STATUS: dict[type[CodecError], int] = {
    WireError: 400,
    InvalidNamespace: 400,
    KeyringNotFound: 400,
    PayloadError: 400,
    KeyringUnavailable: 503,
}


T = TypeVar("T")


class Run(Protocol):
    """Runs work that may wait for the network."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...  # noqa: D102


async def _here(work: Callable[[], T]) -> T:
    return work()


def build_app(
    settings: ServerSettings, source: KeySource, guard: Guard | None = None, run: Run = _here
) -> App:
    """The ASGI app that serves the operations of these settings, with keys from this source.

    Without a guard everybody may call: settings.py sees to it that this stays on a laptop.
    A Lambda environment has one request at a time, so work is done where it is; a server that
    has many gives `run` a thread for each (`asyncio.to_thread`).
    """
    if (guard is None) != (settings.access is None):
        raise ValueError("a guard is needed exactly where the settings ask for tokens")
    keep_large_buffers()
    operations = {name: OPERATIONS[name] for name in settings.operations}

    async def answer(call: Call) -> Answer:
        name = call.path.rstrip("/").rpartition("/")[2]
        operation = operations.get(name)
        if operation is None:
            raise Refusal(404)
        call.record["operation"] = name
        if call.method != "POST":
            raise Refusal(405, headers={"allow": "POST, OPTIONS"})
        if not settings.cors.allows(call.header("origin")):
            raise Refusal(403, "This origin may not read decoded payloads.")
        _check_declared(call)
        namespace = _namespace(call, settings.default_namespace)
        if guard is not None and not await run(partial(_admit, guard, call, namespace, name)):
            if name != "decode" or not settings.access or not settings.access.passes_through:
                raise Refusal(403)
            operation = pass_through
        body = await _body(call)
        try:
            job = Job(namespace, read_payloads(body), call.record)
            return await run(partial(operation, job, settings, source))
        except CodecError as error:
            raise _refusal(error) from error

    return guarded(answer, settings.cors)


def _admit(guard: Guard, call: Call, namespace: str, operation: str) -> bool:
    # Whether the policy allows it; a caller who is nobody gets no further than here.
    try:
        identity = guard.identify(call.header("authorization"))
        call.record.update(
            subject=identity.subject,
            email=identity.email,
            issuer=identity.issuer,
            kid=identity.kid,
            token=identity.token,
        )
        call.record["rule"] = guard.allow(identity, namespace, operation)
    except TokenRefused as error:
        bearer = {"www-authenticate": 'Bearer error="invalid_token"'}
        raise Refusal(401, headers=bearer) from error
    except (JwksUnavailable, PolicyUnavailable) as error:
        sentence = "Access cannot be checked at the moment. Try again later."
        raise Refusal(503, sentence, {"retry-after": "30"}) from error
    except Denied:
        call.record["rule"] = "denied"
        return False
    return True


def _check_declared(call: Call) -> None:
    length = call.header("content-length") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise Refusal(400, "Content-Length must be a number.")
    if int(length[:20]) > MAX_BODY_BYTES:
        raise Refusal(413)
    media_type, _, parameters = (call.header("content-type") or "").partition(";")
    charset = parameters.strip().lower().replace('"', "") or "charset=utf-8"
    encoding = call.header("content-encoding") or "identity"
    if (media_type.strip().lower(), charset, encoding) != (
        "application/json",
        "charset=utf-8",
        "identity",
    ):
        raise Refusal(415)


def _namespace(call: Call, default: str | None) -> str:
    name = call.header("x-namespace") or default
    if name is None:
        raise Refusal(400, "The header X-Namespace is missing.")
    try:
        call.record["namespace"] = check_namespace(name)
    except InvalidNamespace as error:
        raise Refusal(400, "The header X-Namespace does not name a namespace.") from error
    return name


async def _body(call: Call) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more and size <= MAX_BODY_BYTES:
                chunk, more = await call.receive()
                chunks.append(chunk)
                size += len(chunk)
    except TimeoutError:
        raise Refusal(400, f"The body did not arrive within {BODY_SECONDS} seconds.") from None
    if size > MAX_BODY_BYTES:
        raise Refusal(413)
    return b"".join(chunks) if len(chunks) > 1 else chunks[0]


def _refusal(error: CodecError) -> Refusal:
    status = next(code for kind, code in _STATUS.items() if isinstance(error, kind))
    if isinstance(error, WireError):
        return Refusal(status, str(error))
    if isinstance(error, KeyringNotFound):
        return Refusal(status, "There is no key ring for this namespace.")
    return Refusal(status, headers={"retry-after": "30"} if status == 503 else {})


def keep_large_buffers() -> None:
    """Let glibc keep buffers of a megabyte on the heap, where it would map and unmap each.

    Freeing one block of this size lifts its threshold; a 2 MiB payload decodes six times faster.
    """
    bytes(31 << 20)
