"""Lists of payloads: sealed one by one, opened by peeling encodings from the outside in."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from temporal_codec import compression, encryption, envelope
from temporal_codec.allowance import Allowance
from temporal_codec.cached import InThread, NotHeld
from temporal_codec.common import CommonMetadata, recognize
from temporal_codec.errors import AnswerTooLarge, PayloadError, Reason
from temporal_codec.keys.key import Key
from temporal_codec.keys.keys import Keys, Unwrap, first_of, held
from temporal_codec.payload import ENCODING, HasContent
from temporal_codec.protobuf import serialize

MAX_LAYERS = 4
_ZLIB = b"binary/zlib"


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A payload with every encoding of ours taken off."""

    serialized: bytes
    common: tuple[CommonMetadata, int] | None
    """The result of `recognize` for it."""
    keys: tuple[str, ...]
    """Labels of the keys that opened it, from the outside in."""

    __repr__ = object.__repr__  # the default would show the plaintext


Outcome = Opened | PayloadError | None
"""The result of decoding one payload; None if its encoding is not one of ours."""


def decode(
    payloads: Iterable[HasContent],
    keys: Keys,
    allowance: Allowance | None = None,
    enveloped: Unwrap | None = None,
) -> list[Outcome]:
    """Open each payload, in order; one that cannot be opened never affects another.

    `allowance` bounds what they may inflate to, by default as a request's are.
    Raises KeyringUnavailable for the whole list if a key may exist but cannot be fetched now.
    """
    return _Opener(keys, allowance or Allowance(), enveloped, wait=True).outcomes(payloads, [])


class Session(msgspec.Struct, frozen=True):
    """The keys and limits with which the payloads of one request are decoded."""

    keys: Keys
    in_thread: InThread = asyncio.to_thread
    allowance: Allowance = msgspec.field(default_factory=Allowance)
    in_background: bool = False
    """That of `Cached.held`."""
    enveloped: Unwrap | None = None
    """For payloads that bring a data key which is not of `keys`."""


async def decode_held(payloads: Sequence[HasContent], session: Session) -> list[Outcome]:
    """`decode` in the event loop what the held keys open, and in a thread what needs others."""
    needed = session.allowance, session.enveloped
    at_once = held(session.keys, in_background=session.in_background)
    left: list[int] = []
    outcomes = _Opener(at_once, *needed, wait=False).outcomes(payloads, left)
    if left:
        again = [payloads[index] for index in left]
        rest = await session.in_thread(decode, again, session.keys, *needed)
        for number, index in enumerate(left):
            outcomes[index] = rest[number]
    return outcomes


def encode(serialized: Iterable[bytes], key: Key, *, compress: bool = False) -> list[bytes]:
    """Seal serialized payloads; gives what belongs into each new payload's data."""
    if compress:
        serialized = map(_smaller, serialized)
    # Of a large request, at most one serialized payload is in memory at a time.
    pairs = zip(serialized, encryption.nonces(), strict=False)
    return [encryption.seal(key, each, nonce) for each, nonce in pairs]


def _smaller(payload: bytes) -> bytes:
    wrapped = serialize({ENCODING: _ZLIB}, compression.deflate(payload))
    return wrapped if len(wrapped) < len(payload) else payload


Opener = tuple[Callable[[Any, bytes], bytes], Any, tuple[str, ...]]
"""A function that removes an encoding, its arguments besides the data, and the keys used."""


class _Opener:
    """Takes encodings off, with the keys and the allowance of one request."""

    def __init__(
        self, keys: Keys, allowance: Allowance, enveloped: Unwrap | None, *, wait: bool
    ) -> None:
        self._keys = keys
        self._allowance = allowance
        unwrapped = getattr(keys, "unwrapped", None)
        both = enveloped and unwrapped
        self._unwrapped = first_of((enveloped, unwrapped)) if both else enveloped or unwrapped
        self._wait = wait
        self._inflates = False
        self._held: dict[tuple[bytes, bytes | None], Key] = {}
        self._last: tuple[Mapping[str, bytes] | None, Opener | None] = (None, None)

    def outcomes(self, payloads: Iterable[HasContent], left: list[int]) -> list[Outcome]:
        """The result of decoding each payload; `left` collects those that need a key not held."""
        outcomes: list[Outcome] = []
        for payload in payloads:
            outcome: Outcome = None
            try:
                outcome = self.peel(payload.metadata, payload.data)
                if outcome is None and envelope.MARK in payload.metadata:
                    found = envelope.with_opened(payload, self._allowance, self.peel)
                    outcome = Opened(found[0], None, found[1]) if found else None
                if outcome is not None and self._inflates:
                    self._count(outcome)
            except PayloadError as error:
                outcome = error
            except NotHeld:
                if self._wait:
                    raise
                left.append(len(outcomes))
            outcomes.append(outcome)
        return outcomes

    def _count(self, opened: Opened) -> None:
        # If a request inflates nothing, its decoded payloads are smaller than the request.
        self._allowance.opened -= len(opened.serialized)
        if self._allowance.opened < 0:
            raise AnswerTooLarge("what was opened is more than an answer holds")

    def peel(self, metadata: Mapping[str, bytes], data: bytes) -> Opened | None:
        """Take off all encodings of ours; None if not even the outermost one is."""
        last, opener = self._last
        if metadata is not last:  # payloads of one request mostly share one metadata object
            opener = self._opener(metadata)
            self._last = metadata, opener
        opened = None
        layers = MAX_LAYERS
        while opener is not None:
            if not layers:
                raise PayloadError(Reason.TOO_MANY_LAYERS)
            open_one, using, keys = opener
            serialized = open_one(using, data)
            common = recognize(serialized)
            opened = Opened(serialized, common, opened.keys + keys if opened else keys)
            if common is not None:  # nothing that is recognized is encoded
                break
            layers -= 1
            inner = self._allowance.parse(serialized)
            data = inner.data
            opener = self._opener(inner.metadata)
        return opened

    def _opener(self, metadata: Mapping[str, bytes]) -> Opener | None:
        encoding = metadata.get(ENCODING)
        if encoding != encryption.ENCRYPTED or not encryption.FOREIGN.isdisjoint(metadata):
            if encoding in compression.ENCODINGS:
                self._inflates = True
                return partial(compression.inflate, encoding), self._allowance, ()
            foreign = encryption.foreign_format(metadata)
            if foreign is None:
                return None
            if foreign != encryption.PROXY or self._unwrapped is None:
                raise PayloadError(Reason.FOREIGN_FORMAT, foreign)
        key = self.key(metadata)
        return encryption.open_sealed, key, (key.label,)

    def key(self, metadata: Mapping[str, bytes]) -> Key:
        """The key that an encrypted payload with this metadata needs."""
        key_id, wrapped = metadata.get(encryption.KEY_ID), metadata.get(encryption.DATA_KEY)
        if key_id is None:
            raise PayloadError(Reason.NO_KEY_ID)
        key = self._held.get((key_id, wrapped))
        if key is None:
            if wrapped is None or self._unwrapped is None:
                key = self._keys.opening(key_id)
            else:
                key = self._unwrapped(metadata, self._allowance, wait=self._wait)
            self._held[key_id, wrapped] = key
        return key


def key_finder(
    keys: Keys, enveloped: Unwrap | None = None, *, wait: bool = True
) -> Callable[[Mapping[str, bytes]], Key]:
    """A function that gives the key for a payload's outermost encryption, from its metadata.

    It raises PayloadError or KeyringUnavailable, or NotHeld if `wait` is false.
    """
    return _Opener(keys if wait else held(keys), Allowance(), enveloped, wait=wait).key
