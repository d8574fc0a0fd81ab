"""Payloads that Temporal's own proxy encrypted: each brings its data key, wrapped by AWS KMS.

    encoding           binary/encrypted
    encryption-key-id  awskms:///ARN?region=REGION; context_NAME=VALUE is its encryption context
    encryption-dek     the wrapped data key, in base64
    data               nonce (12) | ciphertext | tag (16) of the whole serialized Payload

A payload names the key that wrapped its own, so it decides nothing: only keys that an operator
named for the namespace are asked, in their own region, at AWS's own endpoint. Where the encryption
context names a namespace, it must be that of the request.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pybase64 import b64decode, b64encode

from temporal_codec.allowance import Allowance
from temporal_codec.arn import KMS_KEY, region_of
from temporal_codec.cached import Cached, NotHeld, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.encryption import DATA_KEY, KEY_ID, PROXY
from temporal_codec.errors import KeyringUnavailable, PayloadError, Reason
from temporal_codec.keys.key import KEY_BYTES, Key

NAMESPACE = "namespace"
"""The member of an encryption context that binds a data key to one namespace."""
MAX_WRAPPED_BYTES = 6144  # the most that KMS decrypts
_MAX_URI_BYTES = 4096
_MAX_CONTEXT = 16
LIFE = Life(fresh=3600, last_good=24 * 3600)
_REFUSED_SECONDS = 30.0
# KMS errors about a wrapped key or our role that a later attempt will not change.
_LASTING = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "NotFoundException",
    }
)


Ask = Callable[..., dict[str, Any]]
"""Asks KMS: takes an operation, a key's ARN or alias, and arguments. Raises AwsError."""


class Wrapped(NamedTuple):
    """A wrapped data key, and how it is unwrapped."""

    arn: str
    context: tuple[tuple[str, str], ...]
    data: bytes


class Kms:
    """Unwraps data keys with AWS KMS, and keeps them."""

    def __init__(
        self,
        named: Callable[[str, Wrapped], str | None],
        ask: Ask | None = None,
        clock: Clock = system_clock,
        at_most: int = 4096,
    ) -> None:
        """Take what gives the ARN or alias to ask for a namespace's wrapped key, None for none."""
        self._named = named
        self._ask = ask or asking()
        self._keys = CachedByName[tuple[str, Wrapped], Cached[Key | None]](
            lambda each: Cached(lambda: self._unwrap(*each), LIFE, clock, _fresh_for), at_most
        )

    def opening(
        self, namespace: str, metadata: Mapping[str, bytes], allowance: Allowance, *, wait: bool
    ) -> Key:
        """The data key of a payload with this metadata.

        Raises PayloadError, KeyringUnavailable, or NotHeld if KMS must be asked and `wait` is
        false.
        """
        wrapped = read_wrapped(metadata)
        if dict(wrapped.context).get(NAMESPACE, namespace) != namespace:
            raise PayloadError(Reason.UNKNOWN_KEY, wrapped.arn)
        name = self._named(namespace, wrapped)
        if name is None:
            raise PayloadError(Reason.FOREIGN_FORMAT, PROXY)
        key = self._fetched(name, wrapped, allowance, wait=wait)
        if key is None:
            raise PayloadError(Reason.KEY_REFUSED, wrapped.arn)
        return key

    def _fetched(
        self, name: str, wrapped: Wrapped, allowance: Allowance, *, wait: bool
    ) -> Key | None:
        cached = self._keys[name, wrapped]
        try:
            try:
                return cached.held()
            except NotHeld:
                if not wait:
                    raise
            allowance.look_up()
            return cached.get()
        except Unavailable as error:
            raise KeyringUnavailable(f"{wrapped.arn}: {error.__cause__}") from None

    def _unwrap(self, name: str, wrapped: Wrapped) -> Key | None:
        from temporal_codec.aws import AwsError  # noqa: PLC0415 — it costs 0.2 s

        context = {"EncryptionContext": dict(wrapped.context)} if wrapped.context else {}
        try:
            answer = self._ask("decrypt", name, CiphertextBlob=wrapped.data, **context)
        except AwsError as error:
            if error.code in _LASTING:
                return None
            raise
        secret = answer["Plaintext"]
        # An alias may be another key's by now: then records would name the wrong one.
        if answer["KeyId"] != wrapped.arn or len(secret) != KEY_BYTES:
            return None
        return Key(wrapped.arn, secret, datetime.fromtimestamp(0, UTC))


def asking() -> Ask:
    """A function that calls KMS: in the region of a key's ARN, or for an alias in our own."""
    services: dict[str | None, Any] = {}

    def ask(operation: str, name: str, **arguments: object) -> dict[str, Any]:
        from temporal_codec.aws import Service  # noqa: PLC0415 — it costs 0.2 s

        region = region_of("kms", name)
        service = services.get(region) or services.setdefault(region, Service("kms", region=region))
        answer: dict[str, Any] = service.ask(operation, KeyId=name, **arguments)
        return answer

    return ask


def written(wrapped: Wrapped) -> tuple[tuple[str, bytes], ...]:
    """The metadata that says how a data key is unwrapped: what `read_wrapped` reads."""
    context = [(f"context_{name}", value) for name, value in wrapped.context]
    query = urlencode([*context, ("region", wrapped.arn.split(":")[3])], quote_via=quote)
    uri = f"awskms:///{wrapped.arn}?{query}"
    return (KEY_ID, uri.encode()), (DATA_KEY, b64encode(wrapped.data))


def read_wrapped(metadata: Mapping[str, bytes]) -> Wrapped:
    """The wrapped key in a payload; raises PayloadError if it is malformed."""
    try:
        arn, context = _read_uri(metadata.get(KEY_ID, b""))
        text = metadata[DATA_KEY]
        if len(text) > MAX_WRAPPED_BYTES * 4 // 3 + 4:
            raise ValueError
        data = b64decode(text, None, True)
    except ValueError:
        raise PayloadError(Reason.FOREIGN_FORMAT, PROXY) from None
    return Wrapped(arn, context, data)


def _read_uri(uri: bytes) -> tuple[str, tuple[tuple[str, str], ...]]:
    if len(uri) > _MAX_URI_BYTES:
        raise ValueError
    parts = urlsplit(uri.decode("ascii"))
    arn = unquote((parts.netloc + parts.path).lstrip("/"))
    found = KMS_KEY.fullmatch(arn)
    query = parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=_MAX_CONTEXT)
    named = [(name, value) for name, value in query if name != "region"]
    elsewhere = any(value != (found and found[1]) for name, value in query if name == "region")
    if found is None or parts.scheme != "awskms" or parts.fragment or elsewhere:
        raise ValueError
    if not all(name.startswith("context_") for name, _ in named):
        raise ValueError
    context = {name.removeprefix("context_"): value for name, value in named}
    if len(context) < len(named):
        raise ValueError
    return arn, tuple(sorted(context.items()))


def _fresh_for(key: Key | None) -> float:
    return _REFUSED_SECONDS if key is None else LIFE.fresh
