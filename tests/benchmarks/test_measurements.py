"""Each measurement, with as little as it can do: that it runs, and of what it tells."""

import tempfile
from pathlib import Path

import pytest

from benchmarks import burst, growth, invocation, memory, runtime_json, soak, throttled
from benchmarks.cases import Case
from benchmarks.cold_contestants import ORIGIN, Contestant
from benchmarks.cold_start import surroundings, surroundings_with_gate
from tests.rigs.lambda_events import Request
from tests.rigs.lambda_runtime import RUNTIME, artifact


def test_the_layers_of_an_invocation_are_told() -> None:
    table = invocation.table(1)
    assert all(f"| {layer} | " in table for layer in invocation.NAMES)


def test_ways_past_the_runtimes_json_are_told() -> None:
    table = runtime_json.table(1)
    assert all(f"| {way} | " in table for way in runtime_json.WAYS)


@pytest.mark.parametrize("home", soak.HOMES)
def test_a_soak_tells_what_is_resident(home: str) -> None:
    samples = soak.HOMES[home](200)
    assert len(samples) == soak.SAMPLES
    assert all(10_000 < kib < 1_000_000 for kib in samples)


def test_a_large_request_is_told_in_sizes_of_its_own() -> None:
    case = Case("large", 1, 1 << 20, 1)
    assert 1 < memory.times_its_size(memory.local_server, "decode", case) < 20


def test_environments_that_start_at_once_wait_for_a_limited_store() -> None:
    """Half of their reads are refused at first, and no request fails."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        surroundings_with_gate(Path(scratch)) as (settings, door),
    ):
        found = throttled.stampede(settings, door, 60)
    assert found.statuses == {200: 60}
    assert "**0 requests fail**" in found.told


def test_a_page_is_answered_by_new_environments_and_by_one_that_is_warm() -> None:
    with tempfile.TemporaryDirectory() as scratch, surroundings(Path(scratch)) as settings:
        decode = Contestant(
            "decode",
            artifact("DecodeFunction"),
            "handlers.decode.handler",
            Request("POST", "/decode", {}),
            200,
        )
        preflight = Contestant(
            "preflight",
            artifact("PreflightFunction"),
            "handlers.preflight.handler",
            Request("OPTIONS", "/decode", {"origin": ORIGIN}),
            204,
        )
        cold = burst.cold(decode, preflight, settings, RUNTIME, 2)
        assert cold.preflight > 0
        assert min(cold.waves) > 0
        assert cold.longest > 0
        assert burst.warm(decode, settings, RUNTIME).alone > 0
        with burst.environments(decode, settings, RUNTIME, 1) as functions:
            grown = growth.measure(functions[0], 1)
    assert list(grown["payloads"]) == list(growth.NUMBERS)
    assert list(growth.plots(grown)) == ["growth-payloads", "growth-kib"]
