"""Rings without a secret: AWS KMS makes data keys, and each payload brings its own, wrapped.

A data key is bound to its namespace by the encryption context, in the format of Temporal's own
proxy (`temporal_codec.keys.envelope`). It seals for a day or for so many lists of payloads.
"""

import re
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NoReturn

from temporal_codec.arn import KMS_KEY
from temporal_codec.cached import Cached, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.errors import (
    KeyringError,
    KeyringNotFound,
    KeyringUnavailable,
    PayloadError,
    Reason,
)
from temporal_codec.keys.envelope import (
    MAX_WRAPPED_BYTES,
    NAMESPACE,
    Ask,
    Kms,
    Wrapped,
    asking,
    written,
)
from temporal_codec.keys.key import KEY_BYTES, Key, fingerprint
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.keys import moment
from temporal_codec.namespace import PLACEHOLDER, alias_name, check_namespace
from temporal_codec.reported import reported

SEALING_LIFE = Life(fresh=24 * 3600, last_good=48 * 3600)
# The smallest sealed payloads fill a message of 4 MB with 8,000: below 2^32 for one key.
MOST_LISTS = 250_000
_ABSENT_SECONDS = 30.0
_NAME = re.compile(r"(?:(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}):)?alias/[A-Za-z0-9/_-]{1,250}")
_HINTS = {
    "AccessDeniedException": " (this role may not use the key: kms:GenerateDataKey)",
    "DisabledException": " (enable the key)",
    "KMSInvalidStateException": " (is the key marked for deletion? cancel that)",
}


class KmsSource:
    """A data key for each namespace, of one KMS key or of one for each (a `KeySource`)."""

    def __init__(
        self, name: str, clock: Clock = system_clock, ask: Ask | None = None, at_most: int = 256
    ) -> None:
        """Take a KMS key's ARN, or an alias; raises KeyringError if it is neither."""
        alias = _NAME.fullmatch(name.replace(PLACEHOLDER, "x"))
        if not (KMS_KEY.fullmatch(name) or alias):
            raise KeyringError(
                "kms: takes alias/NAME or an ARN of AWS KMS; {namespace} can stand in an alias"
            )
        ask = ask or asking()

        def named(namespace: str, wrapped: Wrapped) -> str | None:
            # Only the account and region of an alias's key are known here; KMS checks the rest.
            arn = wrapped.arn
            ours = arn.startswith(alias[1] or "") if alias else arn == name
            own = ours and wrapped.context == ((NAMESPACE, namespace),)
            return _name_for(name, namespace) if own else None

        kms = Kms(named, ask, clock)
        self._keys = CachedByName[str, KmsKeys](
            lambda namespace: KmsKeys(_name_for(name, namespace), namespace, kms, ask, clock),
            at_most,
        )

    def keys(self, namespace: str) -> "KmsKeys":
        """See `KeySource`."""
        return self._keys[check_namespace(namespace)]

    def caches(self) -> list[Cached[Keyring | None]]:
        """See `RingSource.caches`: each namespace has data keys of its own."""
        return []


class _Sealing:
    """A data key that seals, and how many lists it has sealed."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._counter = count(1)
        self.lists = 0

    def use(self) -> Key:
        self.lists = next(self._counter)
        return self._key


class _HeldKeys:
    """The keys that need no question to KMS (a `Keys`)."""

    def __init__(self, keys: "KmsKeys", sealing: Callable[[], Key]) -> None:
        self.unwrapped = keys.unwrapped
        self.opening = keys.opening
        self.sealing = sealing
        self._keys = keys

    @property
    def is_stale(self) -> bool:
        """See `Keys`."""
        return self._keys.is_stale


class KmsKeys:
    """One namespace's data keys (a `Keys`)."""

    def __init__(self, name: str, namespace: str, kms: Kms, ask: Ask, clock: Clock) -> None:
        """Take the name that KMS is asked by, and what unwraps the keys that payloads bring."""
        self._name = name
        self._namespace = namespace
        self._ask = ask
        self._clock = clock
        made = reported(f"a data key of kms:{name}", self._made)
        self._cached = Cached(made, SEALING_LIFE, clock, _fresh_for)
        self.unwrapped = partial(kms.opening, namespace)
        """Gives the key that a payload brings: see `Kms.opening`."""

    def opening(self, key_id: bytes) -> NoReturn:
        """See `Keys`: no key is known by an id alone."""
        raise PayloadError(Reason.UNKNOWN_KEY, f"key-id:{len(key_id)}:{fingerprint(key_id)}")

    def sealing(self) -> Key:
        """See `Keys`."""
        return self._sealing(self._cached.get)

    def held(self, *, in_background: bool = False) -> _HeldKeys:
        """See `temporal_codec.keys.keys.held`."""
        get = partial(self._cached.held, in_background=in_background)
        return _HeldKeys(self, partial(self._sealing, get))

    @property
    def is_stale(self) -> bool:
        """See `Keys`: of decoding it tells nothing."""
        return self._cached.is_failing

    @property
    def has_value(self) -> bool:
        """Whether a data key was made."""
        return self._cached.has_value

    @property
    def is_failing(self) -> bool:
        """Whether its data key is a last good one."""
        return self._cached.is_failing

    def _sealing(self, get: Callable[[], _Sealing | None]) -> Key:
        try:
            made = get()
        except Unavailable as error:
            cause = error.__cause__
            raise KeyringUnavailable(f"no data key of kms:{self._name}: {cause}") from cause
        if made is None:
            raise KeyringNotFound(f"there is no key kms:{self._name}")
        return made.use()

    def _made(self) -> _Sealing | None:
        from temporal_codec.aws import AwsError  # noqa: PLC0415 — it costs 0.2 s

        context = ((NAMESPACE, self._namespace),)
        asked = {"KeySpec": "AES_256", "EncryptionContext": dict(context)}
        try:
            answer = self._ask("generate_data_key", self._name, **asked)
        except AwsError as error:
            if error.code == "NotFoundException":
                return None
            hint = _HINTS.get(error.code, "")
            raise KeyringUnavailable(f"{error.code}{hint}", error.cooldown) from None
        arn, secret, data = (answer.get(each) for each in ("KeyId", "Plaintext", "CiphertextBlob"))
        if not (
            KMS_KEY.fullmatch(str(arn))
            and (self._name == arn or not KMS_KEY.fullmatch(self._name))
            and isinstance(secret, bytes)
            and len(secret) == KEY_BYTES
            and 0 < len(data or b"") <= MAX_WRAPPED_BYTES
        ):
            raise KeyringUnavailable("AWS answered with no data key of it")
        brought = written(Wrapped(str(arn), context, data or b""))
        return _Sealing(Key(str(arn), secret, moment(self._clock), brought=brought))


def _name_for(name: str, namespace: str) -> str:
    return name.replace(PLACEHOLDER, alias_name(namespace))


def _fresh_for(made: _Sealing | None) -> float:
    if made is None:
        return _ABSENT_SECONDS
    return SEALING_LIFE.fresh if made.lists < MOST_LISTS else 0.0
