"""The one life of rings, JWKS and policies: rules J3 to J7 and K4, with a fake clock."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from temporal_codec.cached import Cached, NotHeld, Unavailable
from temporal_codec.cached_by_name import CachedByName
from temporal_codec.clock import Life
from tests.codec.clock import FakeClock

LIFE = Life(fresh=300, last_good=3600, cooldown=30)


class Upstream:
    """What is fetched from: counts the fetches, fails or hangs when told to."""

    def __init__(self) -> None:
        self.fetches = 0
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self) -> int:
        self.fetches += 1
        self.thread = threading.current_thread()
        self.entered.set()
        self.gate.wait(10)
        if self.broken:
            raise OSError("down")
        return self.fetches

    def hang(self) -> None:
        """Let the next fetch wait, and tell when it has begun."""
        self.gate.clear()
        self.entered.clear()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def cached(upstream: Upstream, clock: FakeClock) -> Cached[int]:
    return Cached(upstream, LIFE, clock)


def test_fetches_nothing_before_it_is_asked(cached: Cached[int], upstream: Upstream) -> None:
    assert upstream.fetches == 0
    assert not cached.is_stale, "there is nothing that could be"


def test_a_fresh_value_is_served_without_a_question(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J3: fresh for 300 s."""
    cached.get()
    clock.advance(299.9)
    assert cached.get() == 1
    assert upstream.fetches == 1
    assert not cached.is_stale


def test_a_stale_value_is_fetched_again(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    cached.get()
    clock.advance(300)
    assert cached.is_stale
    assert cached.get() == 2
    assert upstream.fetches == 2


def test_a_failed_refresh_keeps_the_last_good_one(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J6: a failed fetch never evicts; J3: not tried again for 30 s."""
    cached.get()
    upstream.broken = True
    clock.advance(300)
    assert [cached.get() for _ in range(50)] == [1] * 50
    assert upstream.fetches == 2
    clock.advance(29.9)
    cached.get()
    assert upstream.fetches == 2
    clock.advance(0.1)
    cached.get()
    assert upstream.fetches == 3


def test_recovers_after_the_cooldown(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    cached.get()
    upstream.broken = True
    clock.advance(300)
    cached.get()
    upstream.broken = False
    clock.advance(30)
    assert cached.get() == 3
    assert not cached.is_stale


def test_the_last_good_one_ends(cached: Cached[int], upstream: Upstream, clock: FakeClock) -> None:
    """J3: until 3,600 s of age, then nothing is served."""
    cached.get()
    upstream.broken = True
    clock.advance(3599)
    assert cached.get() == 1
    clock.advance(1)
    with pytest.raises(Unavailable) as caught:
        cached.get()
    assert isinstance(caught.value.__cause__, OSError)


def test_cold_and_broken_is_unavailable_and_asks_once_per_cooldown(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    upstream.broken = True
    for _ in range(20):
        with pytest.raises(Unavailable):
            cached.get()
    assert upstream.fetches == 1
    clock.advance(30)
    upstream.broken = False
    assert cached.get() == 2


def test_an_outage_costs_one_request_in_thirty_seconds(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J3 and K4: over ten minutes of outage, twenty attempts, however many callers ask."""
    cached.get()
    upstream.broken = True
    clock.advance(300)
    for _ in range(600):
        assert cached.get() == 1
        clock.advance(1)
    assert upstream.fetches == 1 + 20


def test_what_is_lacking_is_looked_for_once_per_cooldown(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J4: 10,000 unknown ids in 60 s cause at most 3 fetches."""
    for _ in range(10_000):
        cached.get()
        cached.get_newer()
        clock.advance(60 / 10_000)
    assert upstream.fetches <= 3


def test_what_was_added_is_found_within_the_cooldown(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J4: a key published by rotation is accepted within 30 s, long before it is stale."""
    cached.get()
    clock.advance(30)
    assert cached.get_newer() == 2
    assert upstream.fetches == 2


def test_after_a_failed_look_nobody_can_tell_what_is_lacking(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J4: inside the cooldown a look is answered from how the last fetch ended."""
    cached.get()
    assert cached.get_newer() == 1, "the last fetch went well: it lacks it"
    upstream.broken = True
    clock.advance(30)
    for _ in range(50):
        with pytest.raises(Unavailable):
            cached.get_newer()
    assert upstream.fetches == 2
    assert cached.get() == 1, "what is held is served all the same"


def test_a_hundred_cold_calls_fetch_once(cached: Cached[int], upstream: Upstream) -> None:
    """J5: single flight."""
    upstream.gate.clear()
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(cached.get) for _ in range(100)]
        assert upstream.entered.wait(10)
        upstream.gate.set()
        assert [each.result(10) for each in asked] == [1] * 100
    assert upstream.fetches == 1


def test_a_hundred_cold_calls_fail_once(cached: Cached[int], upstream: Upstream) -> None:
    """J5 in an outage: those who waited do not try one after another."""
    upstream.broken = True
    upstream.gate.clear()
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(cached.get) for _ in range(100)]
        assert upstream.entered.wait(10)
        upstream.gate.set()
        for each in asked:
            with pytest.raises(Unavailable):
                each.result(10)
    assert upstream.fetches == 1


def test_while_a_refresh_hangs_others_get_what_is_held(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J5: only the request that found it stale waits."""
    cached.get()
    clock.advance(300)
    upstream.hang()
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(cached.get)
        assert upstream.entered.wait(10)
        assert [cached.get() for _ in range(100)] == [1] * 100
        assert not refreshing.done()
        upstream.gate.set()
        assert refreshing.result(10) == 2
    assert upstream.fetches == 2


def test_a_hanging_look_for_what_is_lacking_does_not_hold_others(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J5 for an unknown id."""
    cached.get()
    clock.advance(30)
    upstream.hang()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(cached.get_newer)
        assert upstream.entered.wait(10)
        assert cached.get() == 1
        upstream.gate.set()
        assert looking.result(10) == 2


def set_wall_back(clock: FakeClock) -> None:
    clock.wall -= 60


def freeze_monotonic(clock: FakeClock) -> None:
    clock.wall += 300


def freeze_wall(clock: FakeClock) -> None:
    clock.running += 300


@pytest.mark.parametrize("happening", [set_wall_back, freeze_monotonic, freeze_wall])
def test_age_survives_a_frozen_environment(
    cached: Cached[int], clock: FakeClock, happening: Callable[[FakeClock], None]
) -> None:
    """J7: the larger of both differences; a negative one of the wall clock counts as stale."""
    cached.get()
    happening(clock)
    assert cached.is_stale
    assert cached.get() == 2


def test_a_value_may_shorten_its_life(upstream: Upstream, clock: FakeClock) -> None:
    """An absent ring is asked for again after 30 s."""
    cached = Cached(upstream, LIFE, clock, lambda value: 30 if value == 1 else 300)
    cached.get()
    clock.advance(30)
    assert cached.is_stale
    assert cached.get() == 2
    clock.advance(30)
    assert (cached.is_stale, cached.get()) == (False, 2)


def test_names_are_bounded_and_the_least_used_is_given_up() -> None:
    """A stranger who invents names must not fill the memory."""
    made: list[str] = []

    def make(name: str) -> Cached[str]:
        made.append(name)
        return Cached(lambda: name, LIFE)

    by_name = CachedByName(make, at_most=3)
    for name in "abcad":
        assert by_name[name].get() == name
    assert by_name["a"].get() == by_name["a"].get() == "a"
    assert by_name["e"].get() == "e"
    assert by_name["b"].get() == "b"
    assert made == ["a", "b", "c", "d", "e", "b"]


def test_a_last_good_value_is_never_dropped_while_its_source_is_down(clock: FakeClock) -> None:
    """However many names come meanwhile; it goes once it can be fetched again."""
    down: set[str] = set()

    def make(name: str) -> Cached[str]:
        def fetch() -> str:
            if name in down:
                raise OSError("down")
            return name

        return Cached(fetch, LIFE, clock)

    by_name = CachedByName(make, at_most=3)
    for name in "abc":
        by_name[name].get()
    down.update("abc")
    clock.advance(301)
    for name in "abc":
        assert by_name[name].get() == name
    for number in range(10):
        by_name[f"newcomer-{number}"].get()
    assert [by_name[name].get() for name in "abc"] == ["a", "b", "c"]
    down.clear()
    clock.advance(31)
    for name in "abc":
        by_name[name].get()
    for number in range(10, 20):
        by_name[f"newcomer-{number}"].get()
    down.update("abc")
    with pytest.raises(Unavailable):
        by_name["a"].get()


def test_a_value_that_was_offered_is_fresh_from_then_on(
    cached: Cached[int], clock: FakeClock
) -> None:
    """It was fetched with another one. Later it is fetched as ever."""
    cached.get()
    clock.advance(299)
    cached.offer()(7)
    clock.advance(299)
    assert cached.get() == 7
    clock.advance(1)
    assert cached.get() == 2


def test_an_offer_never_waits_for_a_fetch(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """Two that fetch for each other would wait for ever."""
    cached.get()
    clock.advance(300)
    upstream.hang()
    fetching = threading.Thread(target=cached.get, daemon=True)
    fetching.start()
    assert upstream.entered.wait(10)
    offering = threading.Thread(target=cached.offer(), args=(7,), daemon=True)
    offering.start()
    offering.join(10)
    assert not offering.is_alive()
    upstream.gate.set()
    fetching.join(10)
    assert cached.get() == 2


def test_an_offer_never_replaces_what_was_fetched_meanwhile(
    cached: Cached[int], clock: FakeClock
) -> None:
    """It could be the older one."""
    cached.get()
    clock.advance(301)
    take = cached.offer()
    newer = cached.get()
    take(7)
    assert cached.get() == newer


async def in_thread(work: Callable[..., Any], /, *args: object) -> Any:
    """Stands for `asyncio.to_thread`, and marks what it gives."""
    return -await asyncio.to_thread(work, *args)


def test_what_is_held_is_used_without_a_thread(cached: Cached[int], clock: FakeClock) -> None:
    """A thread would cost more than a small decode."""
    cached.get()
    clock.advance(100)
    assert asyncio.run(cached.ready(in_thread)) == 1


@pytest.mark.parametrize("age", [None, 301, 3601], ids=["cold", "stale", "too old"])
def test_what_must_be_fetched_is_fetched_in_a_thread(
    age: float | None, cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """An event loop goes on meanwhile, and nothing is fetched twice."""
    if age is not None:
        cached.get()
        clock.advance(age)
    before = upstream.fetches
    assert asyncio.run(cached.ready(in_thread)) == -(before + 1)
    assert upstream.fetches == before + 1


def test_a_look_for_more_is_taken_in_a_thread(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """Once per cooldown; what was found then is final until the next."""
    cached.get()
    clock.advance(31)
    assert asyncio.run(cached.newer(in_thread)) == -2
    assert asyncio.run(cached.newer(in_thread)) == upstream.fetches == 2


def test_an_outage_needs_no_thread_while_it_cools_down(
    cached: Cached[int], upstream: Upstream
) -> None:
    """Until the next try the answer is known."""
    upstream.broken = True
    with pytest.raises(Unavailable):
        cached.get()
    for ask in (cached.held, cached.held_newer):
        with pytest.raises(Unavailable):
            ask()
    assert upstream.fetches == 1


def test_an_event_loop_never_waits_for_another_fetch(clock: FakeClock) -> None:
    """Neither cold nor for more: the loop runs on until the thread has the value."""
    begun, go_on = threading.Event(), threading.Event()

    def fetch() -> int:
        begun.set()
        go_on.wait(10)
        return 1

    cached = Cached(fetch, LIFE, clock)
    first = threading.Thread(target=cached.get)
    first.start()
    begun.wait(10)

    async def ask() -> int:
        asked = asyncio.gather(cached.ready(), cached.newer())
        await asyncio.sleep(0.05)
        go_on.set()
        return sum(await asked)

    assert asyncio.run(ask()) == 2
    first.join()


def test_while_one_fetches_the_others_use_what_is_held(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J5: no other request waits while it can be served from what is held."""
    cached.get()
    clock.advance(301)
    upstream.hang()
    first = threading.Thread(target=cached.get)
    first.start()
    assert upstream.entered.wait(10)
    assert cached.held() == 1
    upstream.gate.set()
    first.join()
    assert cached.held() == 2


class Throttled(Exception):
    """An error that says how soon to ask again."""

    def __init__(self, cooldown: float | None) -> None:
        super().__init__()
        self.cooldown = cooldown


@pytest.mark.parametrize(("named", "cooldown"), [(1, 1), (None, 30)])
def test_an_error_may_name_a_shorter_cooldown(
    named: float | None, cooldown: float, clock: FakeClock
) -> None:
    """Throttling passes soon; from its end on, and no earlier, the value is fetched again."""
    fetches = 0

    def fetch() -> int:
        nonlocal fetches
        fetches += 1
        raise Throttled(named)

    cached = Cached(fetch, LIFE, clock)
    for seconds, expected in ((0, 1), (cooldown - 0.5, 1), (0.5, 2)):
        clock.advance(seconds)
        with pytest.raises(Unavailable):
            cached.get()
        assert fetches == expected


def test_what_is_said_of_a_value(clock: FakeClock) -> None:
    """Whether there is one, and whether it can be refreshed: what it is kept or dropped by."""
    gives: list[int | Exception | None] = [OSError("down"), None, 7, OSError("down"), 8]

    def fetch() -> int | None:
        given = gives.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    cached = Cached(fetch, LIFE, clock)
    said = [(cached.has_value, cached.is_failing)]
    while gives:
        cached.warm()
        said.append((cached.has_value, cached.is_failing))
        clock.advance(LIFE.fresh)
    assert said == [
        (False, False),
        (False, False),
        (False, False),
        (True, False),
        (True, True),
        (True, False),
    ]


def test_what_is_too_old_is_not_used_while_another_one_fetches(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J3: nothing is served beyond its last good time, however long a fetch takes."""
    cached.get()
    clock.advance(3600)
    upstream.hang()
    fetching = threading.Thread(target=cached.get, daemon=True)
    fetching.start()
    assert upstream.entered.wait(10)
    for in_background in (False, True):
        with pytest.raises(NotHeld):
            cached.held(in_background=in_background)
    upstream.gate.set()
    fetching.join(10)
    assert cached.held() == 2


def test_a_value_of_its_own_is_never_fetched_again() -> None:
    """The development ring, for example."""
    assert Cached.of(7).held() == Cached.of(7).held_newer() == 7


def test_a_wall_clock_that_steps_back_in_an_outage_loses_nothing(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """J7: a negative difference makes a value stale; it is not gone."""
    cached.get()
    upstream.broken = True
    clock.wall -= 1
    assert cached.get() == 1
    assert cached.is_stale
    assert upstream.fetches == 2


def refreshed(cached: Cached[int]) -> bool:
    """Whether a thread brings a fresh value before long."""
    for _ in range(1000):
        if not cached.is_stale:
            return True
        time.sleep(0.01)
    return False


def test_in_the_background_a_thread_refreshes_what_is_held(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """A worker's task does not wait for a refresh, however long that takes; one is under way."""
    with pytest.raises(NotHeld):
        cached.held(in_background=True)
    cached.get()
    assert cached.held(in_background=True) == 1
    clock.advance(301)
    upstream.hang()
    assert [cached.held(in_background=True) for _ in range(50)] == [1] * 50
    assert upstream.entered.wait(10)
    assert upstream.thread.daemon, "the process ends without waiting for it"
    upstream.gate.set()
    assert refreshed(cached)
    assert cached.held(in_background=True) == upstream.fetches == 2


def test_what_nobody_asked_for_in_a_long_time_is_fetched_first(
    cached: Cached[int], upstream: Upstream, clock: FakeClock
) -> None:
    """A worker that rarely encrypts takes up new keys too. In an outage the last good serves."""
    cached.get()
    clock.advance(600)
    with pytest.raises(NotHeld):
        cached.held(in_background=True)
    upstream.broken = True
    assert cached.get() == 1
    clock.advance(1)
    assert cached.held(in_background=True) == 1
    assert upstream.fetches == 2
    clock.advance(30)
    upstream.entered.clear()
    assert cached.held(in_background=True) == 1
    assert upstream.entered.wait(10)
    upstream.thread.join(10)
    clock.advance(3000)
    with pytest.raises(NotHeld):
        cached.held(in_background=True)


def test_invented_names_never_drop_a_value(clock: FakeClock) -> None:
    """In an outage that follows, the value of a name that exists serves on."""
    exists = {"orders"}
    fetches: list[str] = []

    def make(name: str) -> Cached[str | None]:
        def fetch() -> str | None:
            fetches.append(name)
            if "down" in exists:
                raise OSError("down")
            return name if name in exists else None

        return Cached(fetch, LIFE, clock)

    by_name = CachedByName(make, at_most=4)
    assert by_name["orders"].get() == "orders"
    for number in range(600):
        assert by_name[f"invented-{number}"].get() is None
    exists.add("down")
    clock.advance(301)
    assert by_name["orders"].get() == "orders"
    assert fetches.count("orders") == 2


def test_names_that_were_just_invented_are_remembered(clock: FakeClock) -> None:
    """One that is asked for again and again costs one look."""
    fetches: list[str] = []
    by_name = CachedByName[str, Cached[None]](
        lambda name: Cached(lambda: fetches.append(name), LIFE, clock)
    )
    for _ in range(100):
        assert by_name["invented"].get() is None
    assert fetches == ["invented"]
