"""Objects of one request: fetched side by side, verified, within its time and its bytes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing
from hashlib import sha256
from typing import Protocol

from temporal_codec.errors import ObjectsTooLarge, PayloadError, Reason, StorageUnavailable
from temporal_codec.storage.reference import Reference

MAX_OBJECTS = 32
SIDE_BY_SIDE = 8
SECONDS = 5.0  # for all of them


class Body(Protocol):
    """An object on its way."""

    size: int
    """In bytes, as the store tells it."""

    def read(self) -> bytes:
        """The next piece, as soon as there is one; empty at the end. Raises StorageUnavailable."""

    def close(self) -> None:
        """Stop."""


class Objects(Protocol):
    """Where objects are."""

    def open(self, bucket: str, key: str) -> Body:
        """Ask for one.

        Raises PayloadError if it can never be fetched, StorageUnavailable if it cannot be now.
        """


Fetched = Mapping[Reference, bytes | PayloadError]
"""Each object's bytes, verified, or why they can never be fetched."""


def pieces(body: Body, sha256_hex: str) -> Iterator[bytes]:
    """An object's pieces. It is genuine only if the last piece came without an error.

    Raises PayloadError if its bytes differ, StorageUnavailable if it breaks off.
    """
    digest, size = sha256(), 0
    while piece := body.read():
        digest.update(piece)
        size += len(piece)
        yield piece
    if size < body.size:
        raise StorageUnavailable("an object broke off")
    if digest.hexdigest() != sha256_hex:
        raise PayloadError(Reason.OBJECT_CHANGED)


def fetch(
    objects: Objects,
    references: Sequence[Reference],
    at_most: int,
    monotonic: Callable[[], float] = time.monotonic,
) -> Fetched:
    """Fetch what references lead to, the first MAX_OBJECTS of them, `at_most` bytes together.

    Raises:
        StorageUnavailable: one of them cannot be fetched now, or not in SECONDS.
        ObjectsTooLarge: each fits, but not all together.
    """
    errand = _Errand(objects, at_most, monotonic)
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    try:
        started = {each: pool.submit(errand.fetch, each) for each in references[:MAX_OBJECTS]}
        late = wait(started.values(), SECONDS, FIRST_EXCEPTION).not_done
        _raise_first(started.values())
        if late:
            raise StorageUnavailable(_LATE)
        rest = {each: PayloadError(Reason.TOO_MANY_OBJECTS) for each in references[MAX_OBJECTS:]}
        return {each: future.result() for each, future in started.items()} | rest
    finally:
        # A late thread is left behind, for the few seconds that one read may take.
        pool.shutdown(wait=False, cancel_futures=True)


_LATE = "objects did not arrive in time"


def _raise_first(futures: Iterable[Future[bytes | PayloadError]]) -> None:
    for each in futures:
        error = each.exception() if each.done() else None
        if error is not None:
            raise error


class _Errand:
    """The state that the threads of one request share."""

    def __init__(self, objects: Objects, at_most: int, monotonic: Callable[[], float]) -> None:
        self._objects = objects
        self._at_most = at_most
        self._monotonic = monotonic
        self._started = monotonic()
        self._sizes: dict[Reference, int] = {}

    def fetch(self, reference: Reference) -> bytes | PayloadError:
        """One object's bytes, with a second attempt if needed."""
        try:
            try:
                return self._attempt(reference)
            except StorageUnavailable:
                if self._passed() > SECONDS / 2:
                    raise
                return self._attempt(reference)
        except PayloadError as error:
            self._sizes.pop(reference, None)
            return error

    def _attempt(self, reference: Reference) -> bytes:
        self._check(reference, max(reference.size or 0, 0))
        with closing(self._objects.open(reference.bucket, reference.key)) as body:
            self._check(reference, body.size)
            held = bytearray()
            for piece in pieces(body, reference.sha256):
                held += piece
                self._check(reference, max(body.size, len(held)))
            return bytes(held)

    def _check(self, reference: Reference, size: int) -> None:
        # Counted before a byte is held; of two threads at once both may count, and both stop.
        if size > self._at_most:
            raise PayloadError(Reason.OBJECT_TOO_LARGE)
        self._sizes[reference] = size
        if sum(tuple(self._sizes.values())) > self._at_most:
            raise ObjectsTooLarge("the objects of one request are too large together")
        if self._passed() > SECONDS:
            raise StorageUnavailable(_LATE)

    def _passed(self) -> float:
        return self._monotonic() - self._started
