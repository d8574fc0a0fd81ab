"""docs/storage.md: its settings, parameters, options and limits are those of the code."""

import re

import pytest
from typer.testing import CliRunner

from handlers.server.operations import MAX_DATA_BYTES
from handlers.settings.environ import NAMES
from temporal_codec.cli.app import app
from temporal_codec.cli.payload.layers import MAX_BYTES
from temporal_codec.storage.fetch import MAX_OBJECTS, SECONDS, SIDE_BY_SIDE
from tests.rigs.processes import ROOT

PAGE = (ROOT / "docs/storage.md").read_text()


def test_every_setting_of_storage_is_told() -> None:
    assert {name for name in NAMES if "STORAGE" in name} == set(re.findall(r"`(CODEC_\w+)`", PAGE))


def test_every_parameter_of_storage_is_told() -> None:
    declared = re.findall(
        r"^  (Storage\w+):\n    Type: String", (ROOT / "template.yaml").read_text(), re.MULTILINE
    )
    assert len(declared) == 4
    assert set(re.findall(r"\| `(Storage\w+)` \|", PAGE)) == set(declared)


@pytest.mark.parametrize(
    "limit",
    [
        f"{MAX_OBJECTS}, each fetched once, {SIDE_BY_SIDE} side by side",
        f"{SECONDS:.0f} seconds",
        f"| {MAX_DATA_BYTES:,}, which",
        f"{MAX_BYTES >> 30} GiB",
    ],
)
def test_limits_are_those_of_the_code(limit: str) -> None:
    assert limit in PAGE


def test_options_are_those_of_the_command() -> None:
    shown = CliRunner().invoke(app, ["payload", "get", "--help"], env={"COLUMNS": "200"}).output
    known = set(re.findall(r"--\w+|-o\b", shown))
    section = PAGE[PAGE.index("## Payloads of any size") : PAGE.index("## How long")]
    told = set(re.findall(r"temporal-codec payload get .*|`--\w+`", section))
    options = {option for each in told for option in re.findall(r"--\w+|-o", each)}
    assert {"--bucket", "--namespace", "--ring", "--at", "-o"} <= options <= known
