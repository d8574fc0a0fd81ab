"""What is made of measurements: each verdict from figures that are known."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import burst, growth, instructions, many_namespaces, soak
from benchmarks.burst import Burst
from benchmarks.cold_contestants import COMPILED
from tests.rigs.parts import lack


def test_the_exponent_tells_linear_from_quadratic() -> None:
    assert growth.exponent([(1, 2), (10, 20), (100, 200)]) == pytest.approx(1)
    assert growth.exponent([(1, 2), (10, 200)]) == pytest.approx(2)
    assert growth.exponent([(1, 5), (10, 5)]) == 0


def test_what_a_process_fills_at_first_is_no_growth() -> None:
    """Only the last four fifths count: a leak shows there, and the filling of caches does not."""
    filled = [min(number, 20) * 1000 for number in range(1, 101)]
    assert soak.growth(filled) == 0
    leaking = [50_000 + 10 * number for number in range(100)]
    assert soak.growth(leaking) == 700


def test_a_soak_has_every_kind_of_request_in_its_share() -> None:
    kinds = soak.kinds()
    assert sum(kind.weight for kind in kinds) == 100
    assert {kind.status for kind in kinds} == {200, 400, 401, 404}
    places = soak.order(kinds, 10_000)
    assert places == soak.order(kinds, 10_000)
    found = Counter(places)
    assert all(found[place] > 50 * kind.weight for place, kind in enumerate(kinds))


def test_starting_cancels_out_of_a_count(tmp_path: Path) -> None:
    """What a process takes before its first decode is in both counts, and in no figure."""

    def count(command: list[str]) -> int:
        return 1_000_000 + 300 * int(command[-1])

    assert instructions.one(count, "ours", tmp_path, 50) == 300


def test_who_cannot_count_is_told_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install valgrind"):
        instructions.counter()


def test_callgrind_counts_the_same_twice() -> None:
    """To a hundredth, for a process whose hashes are the same each time."""
    command = [sys.executable, "-S", "-E", "-c", "sum(range(9))"]
    try:
        once, twice = instructions.callgrind(command), instructions.callgrind(command)
    except FileNotFoundError:
        lack("Callgrind", "apt-get install valgrind")
    assert once == pytest.approx(twice, rel=0.01)


@pytest.mark.parametrize("use", ["even", "Zipf"])
@pytest.mark.parametrize("rate", many_namespaces.RATES)
def test_two_thousand_namespaces_fetch_for_one_request_in_fifty(use: str, rate: int) -> None:
    """Each has a ring of its own, and the environment is warm."""
    share = rate / many_namespaces.environments(rate)
    assert many_namespaces.simulate(use, 2000, share, "together", 600).share <= 0.02
    assert many_namespaces.simulate(use, 2000, share, "256 kept", 600).share > 0.3


def test_many_namespaces_are_told_with_their_cost() -> None:
    table = many_namespaces.table([50], [200], 400)
    assert "| even | 200 | 50 | 0." in table
    assert "8 for 200 requests/s" in table


def test_a_burst_is_told_beside_the_reference() -> None:
    ours, theirs = Burst(0.1, (1.0, 0.9), 0.4, 0.5), Burst(0.1, (3.0, 0.9), 1.2, 1.0)
    table = burst.table({"20 cold, decode": [ours], f"20 cold, {COMPILED}": [theirs]})
    assert "| 20 cold, decode | 100 | 1,000 | 900 | 2,000 | 500 | **4.0** | 400 |" in table
    assert "**50%**" in table
