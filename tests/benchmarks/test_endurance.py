"""A sample of `make bench SUITE=load`, whose ten minutes are in docs/performance.md."""

from benchmarks import endurance


def test_nothing_fails_under_load_while_issuer_ring_and_workers_change() -> None:
    """Each answer is whole, as expected and recorded, and the workers that end drain first."""
    found = endurance.run(100, 6, new_key=endurance.SAMPLES)
    assert found.failed == []
    assert found.unrecorded == 0
    assert len(found.late) == found.asked == 600
    # The parent, its resource tracker, two workers, and what replaced a worker.
    assert len(found.workers) > 4
    assert "| failed | 0 |" in endurance.told(found)
