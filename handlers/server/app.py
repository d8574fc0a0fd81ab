"""The Codec Server as a bare ASGI app: every check in its order.

A request passes these checks, in this order, and the code below follows it line by line:

    known operation 404, method 405, origin 403, declared length 413, content type 415,
    namespace 400, token shape and claims 401, JWKS 503, signature 401, policy 503 or 403,
    body read 413, parsed 400, keys 503, storage 503 or 413, answer size 413, audit record written

A preflight is answered before all of them (handlers/server/asgi.py), on any path: a browser shows
a 404 to the page that asked only if the preflight succeeded.
"""

from msgspec.structs import replace

from handlers.access.authorizer import PolicyUnavailable
from handlers.access.guard import Guard
from handlers.access.jws import TokenRefused
from handlers.access.token import JwksUnavailable, TrustUnavailable
from handlers.server.asgi import App, asgi_app
from handlers.server.audit import Write, discard, escaped, printable
from handlers.server.cors import Cors
from handlers.server.operations import MAX_DATA_BYTES, RUNS, Job, Tools, pass_through
from handlers.server.problem import Problem, Response
from handlers.server.request import MAX_BODY_BYTES, Request
from handlers.settings.server import ServerSettings
from temporal_codec import wire
from temporal_codec.errors import (
    AnswerTooLarge,
    CodecError,
    InvalidNamespace,
    KeyringNotFound,
    KeyringUnavailable,
    ObjectsTooLarge,
    StorageUnavailable,
    TooManyPayloads,
    WireError,
)
from temporal_codec.keys.sources import KeySource
from temporal_codec.namespace import check_namespace
from temporal_codec.operations import OPERATIONS

_REASONS: dict[type[CodecError], str] = {
    TooManyPayloads: "payloads",
    WireError: "body",
    KeyringNotFound: "keyring",
    KeyringUnavailable: "keys-unavailable",
    StorageUnavailable: "storage-unavailable",
    ObjectsTooLarge: "objects-too-large",
    AnswerTooLarge: "answer-too-large",
}


def build_app(
    settings: ServerSettings,
    source: KeySource,
    guard: Guard | None = None,
    write: Write = discard,
) -> App:
    """The ASGI app that serves the operations of these settings, with keys from this source.

    Without a guard it does not require a token: the settings allow that on a laptop alone.
    `write` keeps each request's record, and a response leaves only after it.
    """
    if (guard is None) != (settings.access is None):
        raise ValueError("a guard is required exactly if the settings require tokens")
    keep_large_buffers()
    tools = _tools(settings, source)
    origins = {origin.encode() for origin in settings.cors.origins} | {None}

    async def answer(request: Request) -> Response:
        name = request.path.rstrip("/").rpartition("/")[2]
        if name not in settings.operations:
            raise Problem("operation")
        request.record.operation = name
        if request.method != "POST":
            raise Problem("method")
        if request.headers.get(b"origin") not in origins:
            raise Problem("origin")
        if settings.cors.credentials and b"cookie" in request.headers:
            _check_cookie_origin(request.headers)
        _check_declared(request.headers)
        namespace = _namespace(request, settings.default_namespace)
        run = RUNS[name]
        denial = guard and await _denial(guard, request, namespace, name)
        if denial:
            passes = settings.access and settings.access.passes_through
            if not (passes and OPERATIONS[name].passes_through):
                raise Problem(denial)
            run, request.record.reason = pass_through, denial
        body = await request.body()
        try:
            return await run(Job(namespace, wire.read(body, wire.MAX_PAYLOADS), request), tools)
        except CodecError as error:
            raise _problem(error) from error

    return asgi_app(answer, Cors(settings.cors), write)


def _tools(settings: ServerSettings, source: KeySource) -> Tools:
    storage, enveloped, listed = None, None, settings.kms
    if settings.storage is not None:
        from temporal_codec.storage.resolve import Storage  # noqa: PLC0415 — few servers need it

        storage = Storage(settings.storage, MAX_DATA_BYTES)
    if listed is not None:
        from temporal_codec.keys.envelope import Kms  # noqa: PLC0415 — as above

        kms = Kms(lambda name, each: each.arn if each.arn in listed.allowed(name) else None)
        enveloped = kms.opening
    return Tools(settings, source, storage, enveloped)


async def _denial(guard: Guard, request: Request, namespace: str, operation: str) -> str | None:
    # Why it is denied, if it is; a caller without an identity gets no further than here.
    record = request.record
    try:
        identity, is_stale = await guard.verifier.verify(request.headers, request.in_thread)
        if is_stale:
            record.stale.append("jwks")
        record.subject, record.email = printable(identity.subject), printable(identity.email)
        record.issuer, record.kid = identity.issuer, printable(identity.kid)
        record.token = printable(identity.token)
        record.token_from = identity.token_from
        if record.purpose:
            identity = replace(identity, purpose=record.purpose)
        decision = await guard.authorizer.decide(identity, namespace, operation, request.in_thread)
    except TokenRefused as error:
        record.detail = str(error)
        raise Problem("token") from error
    except TrustUnavailable as error:
        raise Problem("trust-unavailable") from error
    except JwksUnavailable as error:
        raise Problem("jwks-unavailable") from error
    except PolicyUnavailable as error:
        raise Problem("policy-unavailable") from error
    if decision.is_stale:
        record.stale.append("policy")
    record.rule = decision.rule
    record.detail = decision.why or None
    return decision.reason if decision.rule is None else None


def _check_cookie_origin(headers: dict[bytes, bytes]) -> None:
    # Browsers send cookies by themselves: only a page that asked first may use them.
    if b"origin" not in headers or not _is_json(headers.get(b"content-type", b"")):
        raise Problem("origin")


def _check_declared(headers: dict[bytes, bytes]) -> None:
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise Problem("content-length")
    if int(length[:20]) > MAX_BODY_BYTES:
        raise Problem("body-too-large")
    encoding = headers.get(b"content-encoding") or b"identity"
    if encoding != b"identity" or not _is_json(headers.get(b"content-type", b"")):
        raise Problem("content-type")


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":  # as nearly every client writes it
        return True
    media_type, _, parameters = content_type.partition(b";")
    charset = parameters.strip().lower().replace(b'"', b"") or b"charset=utf-8"
    return (media_type.strip().lower(), charset) == (b"application/json", b"charset=utf-8")


def _namespace(request: Request, default: str | None) -> str:
    written = request.headers.get(b"x-namespace", b"").strip(b" \t")
    name = _text(written) if written else default
    if name is None:
        raise Problem("no-namespace")
    if request.repeated and b", " in written:
        raise Problem("namespace")  # the header came twice, and no gateway joined it before
    try:
        request.record.namespace = escaped(check_namespace(name))
    except InvalidNamespace as error:
        raise Problem("namespace") from error
    return name


def _text(value: bytes) -> str:
    # The CLI sends a name in UTF-8, a browser in Latin-1. Half a surrogate is no name in either.
    try:
        return value.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _problem(error: CodecError) -> Problem:
    reason = next(code for kind, code in _REASONS.items() if isinstance(error, kind))
    return Problem(reason, str(error) if isinstance(error, WireError) else None)


def keep_large_buffers() -> None:
    """Let glibc keep buffers of a megabyte on the heap; by default it maps and unmaps each.

    Freeing one block of this size raises its threshold; a 2 MiB payload decodes six times faster.
    """
    bytes(31 << 20)
