"""Objects of one request: each whole and genuine, all within their bytes and their time."""

import threading
from collections.abc import Callable
from hashlib import sha256

import pytest

from temporal_codec.errors import ObjectsTooLarge, PayloadError, Reason, StorageUnavailable
from temporal_codec.storage import fetch as fetching
from temporal_codec.storage.fetch import fetch
from temporal_codec.storage.reference import Reference
from tests.codec.clock import FakeClock

Opening = Callable[[str], object]


class Memory:
    """Objects in memory; `opening` may fail or wait, and `told` gives another size."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects
        self.asked: list[str] = []
        self.pieces_read = 0
        self.closed: list[str] = []
        self.opening: Opening = lambda _key: None
        self.told: dict[str, int] = {}

    def open(self, bucket: str, key: str) -> "MemoryBody":
        assert bucket == "b"
        self.asked.append(key)
        self.opening(key)
        return MemoryBody(self, key)


class MemoryBody:
    """An object that comes in pieces of four bytes."""

    def __init__(self, memory: Memory, key: str) -> None:
        self._memory, self._key = memory, key
        self._left = memory.objects[key]
        self.size = memory.told.get(key, len(self._left))

    def read(self) -> bytes:
        self._memory.pieces_read += 1
        piece, self._left = self._left[:4], self._left[4:]
        return piece

    def close(self) -> None:
        self._memory.closed.append(self._key)


def reference(key: str, content: bytes, size: int | None = None) -> Reference:
    return Reference("d", "b", key, sha256(content).hexdigest(), size)


def why(outcome: object) -> Reason:
    assert isinstance(outcome, PayloadError)
    return outcome.reason


def stopped() -> float:
    return 0.0


def test_whole_objects_come_side_by_side() -> None:
    memory = Memory(x=b"one object", y=b"")
    x, y = reference("x", b"one object", 10), reference("y", b"")
    assert fetch(memory, [x, y], 10, stopped) == {x: b"one object", y: b""}
    assert sorted(memory.asked) == sorted(memory.closed) == ["x", "y"]


def test_the_bounds_of_a_request() -> None:
    """At most 32 objects, of which 8 come at a time; the others of a longer list stay."""
    together, lock = threading.Barrier(8, timeout=10), threading.Lock()
    most = now = 0

    def opening(_key: str) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        together.wait()  # the ninth would break it
        with lock:
            now -= 1

    memory = Memory(**{f"k{number}": b"x" for number in range(40)})
    memory.opening = opening
    asked = [reference(key, b"x") for key in memory.objects]
    found = fetch(memory, asked, 100, stopped)
    assert list(found) == asked
    assert [each for each in found.values() if isinstance(each, bytes)] == [b"x"] * 32
    assert {why(found[each]) for each in asked[32:]} == {Reason.TOO_MANY_OBJECTS}
    assert sorted(memory.asked) == sorted(list(memory.objects)[:32])
    assert most == 8


@pytest.mark.parametrize(
    ("content", "told", "declared", "reason", "pieces"),
    [
        (b"12345678", None, None, None, 3),
        (b"123456789", None, None, Reason.OBJECT_TOO_LARGE, 0),
        (b"123456789", 1, None, Reason.OBJECT_TOO_LARGE, 3),
        (b"12345678" * 9, 0, None, Reason.OBJECT_TOO_LARGE, 3),
        (b"1", None, 8, None, 2),
        (b"1", None, -1, None, 2),
        (b"2", None, None, Reason.OBJECT_CHANGED, 2),
    ],
)
def test_no_more_is_read_than_a_request_may_hold(
    content: bytes, told: int | None, declared: int | None, reason: Reason | None, pieces: int
) -> None:
    """Whatever the store tells of its size: 8 bytes exactly, here; more stop at once."""
    memory = Memory(x=content)
    memory.told = {} if told is None else {"x": told}
    asked = reference("x", b"1" if content == b"2" else content, declared)
    found = fetch(memory, [asked], 8, stopped)[asked]
    assert (found if reason is None else why(found)) == (content if reason is None else reason)
    assert memory.pieces_read == pieces
    assert memory.closed == ["x"]


def test_what_is_too_large_by_its_own_word_is_not_asked_for() -> None:
    memory = Memory(x=b"x")
    asked = reference("x", b"x", 9)
    assert why(fetch(memory, [asked], 8, stopped)[asked]) is Reason.OBJECT_TOO_LARGE
    assert memory.asked == []


@pytest.mark.parametrize("size", [None, -1, 0])
def test_what_holds_nothing_needs_no_room(size: int | None) -> None:
    asked = reference("x", b"", size)
    assert fetch(Memory(x=b""), [asked], 0, stopped) == {asked: b""}


def test_objects_share_the_bytes_of_their_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly as many are allowed, and one that is refused takes none."""
    monkeypatch.setattr(fetching, "SIDE_BY_SIDE", 1)
    memory = Memory(x=b"1234", y=b"1234", z=b"12345")
    x, y, z = (reference(key, content) for key, content in memory.objects.items())
    assert fetch(memory, [x, y], 8, stopped) == {x: b"1234", y: b"1234"}
    with pytest.raises(ObjectsTooLarge, match=r"too large together$"):
        fetch(memory, [x, z], 8, stopped)
    changed = reference("z", b"other")
    assert fetch(memory, [changed, x, y], 8, stopped)[y] == b"1234"


def test_an_object_that_breaks_off_is_tried_once_more() -> None:
    """It is not one that somebody changed."""
    memory = Memory(x=b"1234")
    memory.told = {"x": 5}
    with pytest.raises(StorageUnavailable, match="broke off"):
        fetch(memory, [reference("x", b"12345")], 8, stopped)
    assert memory.asked == memory.closed == ["x", "x"]


@pytest.mark.parametrize(("after", "asked"), [(2.5, 2), (2.6, 1)])
def test_the_second_attempt_begins_in_the_first_half_of_the_time(
    after: float, asked: int, clock: FakeClock
) -> None:
    """Of five seconds."""
    memory = Memory(x=b"x")

    def opening(_key: str) -> None:
        clock.advance(after if len(memory.asked) == 1 else 0)
        raise StorageUnavailable("down")

    memory.opening = opening
    with pytest.raises(StorageUnavailable, match="down"):
        fetch(memory, [reference("x", b"x")], 8, clock.monotonic)
    assert len(memory.asked) == asked


def test_what_can_never_come_is_asked_for_once() -> None:
    memory = Memory(x=b"x")

    def opening(_key: str) -> None:
        raise PayloadError(Reason.OBJECT_MISSING)

    memory.opening = opening
    asked = reference("x", b"x")
    assert why(fetch(memory, [asked], 8, stopped)[asked]) is Reason.OBJECT_MISSING
    assert memory.asked == ["x"]


@pytest.mark.parametrize(("takes", "in_time"), [(5.0, True), (5.1, False)])
def test_an_object_has_five_seconds(takes: float, in_time: bool, clock: FakeClock) -> None:
    memory = Memory(x=b"x")
    memory.opening = lambda _key: clock.advance(takes)
    asked = reference("x", b"x")

    def found() -> object:
        return fetch(memory, [asked], 8, clock.monotonic)[asked]

    if in_time:
        assert found() == b"x"
    else:
        with pytest.raises(StorageUnavailable, match=r"in time$"):
            found()
    assert memory.asked == ["x"]


def test_who_hangs_holds_nobody_and_is_followed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request ends in time, and objects that wait for their turn are never asked for."""
    monkeypatch.setattr(fetching, "SECONDS", 0.05)
    before, go_on = set(threading.enumerate()), threading.Event()
    memory = Memory(**{f"k{number}": b"x" for number in range(20)})
    memory.opening = lambda _key: go_on.wait(10)
    with pytest.raises(StorageUnavailable, match=r"in time$"):
        fetch(memory, [reference(key, b"x") for key in memory.objects], 100, stopped)
    left = set(threading.enumerate()) - before
    assert left, "they hang still"
    go_on.set()
    for thread in left:
        thread.join(10)
    assert len(memory.asked) <= 8


def test_one_that_cannot_come_ends_the_request_at_once() -> None:
    """Nobody waits for the others, whose answer would not be used."""
    go_on = threading.Event()
    memory = Memory(x=b"x", y=b"x")

    def opening(key: str) -> None:
        if key == "y":
            raise StorageUnavailable("down")
        go_on.wait(10)

    memory.opening = opening
    asked = [reference(key, b"x") for key in memory.objects]
    try:
        with pytest.raises(StorageUnavailable, match="down"):
            fetch(memory, asked, 8, stopped)
    finally:
        go_on.set()
