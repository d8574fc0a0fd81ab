"""docs/runbook.md has every alarm, every reason and every stale cache, each with what to do."""

import re
from typing import get_args

import pytest

from handlers.access import cloud, jwks, policy
from handlers.server.audit import Cache
from handlers.server.problem import REASONS, TITLES
from temporal_codec import Reason
from temporal_codec.keys.sources import RING_LIFE
from tests.rigs.processes import ROOT

PAGE = (ROOT / "docs" / "runbook.md").read_text()
TEMPLATE = (ROOT / "template.yaml").read_text()
DISCONNECTED = ("disconnected", "499")


def rows(heading: str) -> dict[str, list[str]]:
    """The table whose first column has this heading: other cells by the first one."""
    table = PAGE.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return {first.strip("` "): rest for first, *rest in cells[2:]}


def test_every_alarm_is_explained() -> None:
    declared = re.findall(
        r"^  (\w+):\n(?:    Condition: \w+\n)?    Type: AWS::CloudWatch::(?:Composite)?Alarm$",
        TEMPLATE,
        re.MULTILINE,
    )
    assert len(declared) >= 11
    assert set(rows("alarm")) == set(declared)


def test_every_reason_is_explained_with_its_status() -> None:
    told = {name: status for name, (status, *_) in rows("reason").items()}
    assert told == {name: str(status) for name, (status, _) in REASONS.items()} | {
        DISCONNECTED[0]: DISCONNECTED[1]
    }
    assert {status for status, _ in REASONS.values()} == set(TITLES)
    assert set(rows("undecoded")) == set(Reason)


def test_every_cache_is_explained_with_its_times() -> None:
    caches = rows("cache")
    assert set(caches) == set(get_args(Cache))
    assert RING_LIFE.fresh == jwks.LIFE.fresh == cloud.LIFE.fresh == 5 * 60
    assert (caches["keys"][1], caches["jwks"][1]) == ("5 minutes", "5 minutes")
    assert caches["policy"][1] == f"{policy.LIFE.fresh:.0f} seconds; Temporal Cloud: 5 minutes"
    assert caches["keys"][-1] == f"{RING_LIFE.last_good / 3600:.0f} hours"
    assert policy.LIFE.last_good == jwks.LIFE.last_good == cloud.LIFE.last_good == 3600
    assert (caches["policy"][-1], caches["jwks"][-1]) == ("1 hour", "1 hour")


@pytest.mark.parametrize(
    "heading", ["alarm", "report", "situation", "reason", "undecoded", "cache"]
)
def test_no_cell_is_empty(heading: str) -> None:
    """Every row says what it means and what to do."""
    table = rows(heading)
    (columns,) = {len(cells) for cells in table.values()}
    assert columns >= 2
    assert [name for name, cells in table.items() if not all(cells)] == []
