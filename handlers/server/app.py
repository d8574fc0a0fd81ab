"""The Codec Server as a bare ASGI app: every check in its order.

A request passes these checks, in this order, and the code below follows it line by line:

    known operation 404, method 405, origin 403, declared length 413, content type 415,
    namespace 400, token shape and claims 401, JWKS 503, signature 401, policy 503 or 403,
    body read 413, parsed 400, keys 503, storage 503 or 413, answer size 413, audit record written

A preflight is answered before all of them (handlers/server/asgi.py), on any path: a browser shows a
404 to the page that asked only where the preflight went well.
"""

from functools import partial

from handlers.access.guard import Guard
from handlers.access.jwks import JwksUnavailable
from handlers.access.jws import TokenRefused
from handlers.access.policy import Denied, PolicyUnavailable
from handlers.server.asgi import App, Call, guarded
from handlers.server.audit import Write, nowhere
from handlers.server.operations import (
    MAX_DATA_BYTES,
    OPERATIONS,
    Job,
    Server,
    pass_through,
    read_payloads,
)
from handlers.server.problem import Answer, Refusal
from handlers.settings.server import ServerSettings
from temporal_codec.errors import (
    CodecError,
    InvalidNamespace,
    KeyringNotFound,
    KeyringUnavailable,
    ObjectsTooLarge,
    PayloadError,
    StorageUnavailable,
    TooManyPayloads,
    WireError,
)
from temporal_codec.keys.sources import KeySource, check_namespace
from temporal_codec.storage.resolve import Storage
from temporal_codec.waiting import TooLate, in_time, promptly

MAX_BODY_BYTES = 4_500_000
BODY_SECONDS = 10  # below what the whole request has

_REASONS: dict[type[CodecError], str] = {
    TooManyPayloads: "payloads",
    WireError: "body",
    InvalidNamespace: "namespace",
    KeyringNotFound: "keyring",
    PayloadError: "undecodable",
    KeyringUnavailable: "keys-unavailable",
    StorageUnavailable: "storage-unavailable",
    ObjectsTooLarge: "objects-too-large",
}


def build_app(
    settings: ServerSettings,
    source: KeySource,
    guard: Guard | None = None,
    write: Write = nowhere,
) -> App:
    """The ASGI app that serves the operations of these settings, with keys from this source.

    Without a guard everybody may call: settings.py sees to it that this stays on a laptop.
    `write` keeps each request's record, and an answer leaves only after it.
    """
    if (guard is None) != (settings.access is None):
        raise ValueError("a guard is needed exactly where the settings ask for tokens")
    keep_large_buffers()
    storage = Storage(settings.storage, MAX_DATA_BYTES) if settings.storage else None
    server = Server(settings, source, storage)
    operations = {name: OPERATIONS[name] for name in settings.operations}

    async def answer(call: Call) -> Answer:
        name = call.path.rstrip("/").rpartition("/")[2]
        operation = operations.get(name)
        if operation is None:
            raise Refusal("operation")
        call.record.operation = name
        if call.method != "POST":
            raise Refusal("method")
        if not settings.cors.allows(call.header(b"origin")):
            raise Refusal("origin")
        _check_declared(call)
        namespace = _namespace(call, settings.default_namespace)
        if guard is not None and not await promptly(
            partial(_admit, guard, call, namespace, name), call.seconds_left()
        ):
            if name != "decode" or not settings.access or not settings.access.passes_through:
                raise Refusal("denied")
            operation = pass_through
        try:
            body = await in_time(_body(call), BODY_SECONDS)
        except TooLate:
            raise Refusal("body-too-slow") from None
        try:
            payloads = read_payloads(body)
            job = Job(namespace, payloads, call.record, call.asks("preserveStorageRefs"))
            return await promptly(partial(operation, job, server), call.seconds_left())
        except CodecError as error:
            raise _refusal(error) from error

    return guarded(answer, settings.cors, write)


def _admit(guard: Guard, call: Call, namespace: str, operation: str) -> bool:
    # Whether the policy allows it; a caller who is nobody gets no further than here.
    record = call.record
    try:
        identity = guard.identify(call.header(b"authorization"))
        record.subject, record.email = identity.subject, identity.email
        record.issuer, record.kid, record.token = identity.issuer, identity.kid, identity.token
        record.rule = guard.allow(identity, namespace, operation)
    except TokenRefused as error:
        record.detail = str(error)
        raise Refusal("token") from error
    except JwksUnavailable as error:
        raise Refusal("jwks-unavailable") from error
    except PolicyUnavailable as error:
        raise Refusal("policy-unavailable") from error
    except Denied:
        record.stale = guard.stale()
        return False
    record.stale = guard.stale()
    return True


def _check_declared(call: Call) -> None:
    length = call.header(b"content-length") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise Refusal("content-length")
    if int(length[:20]) > MAX_BODY_BYTES:
        raise Refusal("body-too-large")
    encoding = call.header(b"content-encoding") or "identity"
    if encoding != "identity" or not _is_json(call.header(b"content-type") or ""):
        raise Refusal("content-type")


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":  # as nearly everybody writes it
        return True
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "") or "charset=utf-8"
    return (media_type.strip().lower(), charset) == ("application/json", "charset=utf-8")


def _namespace(call: Call, default: str | None) -> str:
    name = call.header(b"x-namespace") or default
    if name is None:
        raise Refusal("no-namespace")
    try:
        call.record.namespace = check_namespace(name)
    except InvalidNamespace as error:
        raise Refusal("namespace") from error
    return name


async def _body(call: Call) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= MAX_BODY_BYTES:
        chunk, more = await call.receive()
        chunks.append(chunk)
        size += len(chunk)
        call.record.bytes_in = size
    if size > MAX_BODY_BYTES:
        raise Refusal("body-too-large")
    return b"".join(chunks) if len(chunks) > 1 else chunks[0]


def _refusal(error: CodecError) -> Refusal:
    reason = next(code for kind, code in _REASONS.items() if isinstance(error, kind))
    return Refusal(reason, str(error) if isinstance(error, WireError) else None)


def keep_large_buffers() -> None:
    """Let glibc keep buffers of a megabyte on the heap, where it would map and unmap each.

    Freeing one block of this size lifts its threshold; a 2 MiB payload decodes six times faster.
    """
    bytes(31 << 20)
