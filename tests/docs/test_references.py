"""The references in docs/ are what the code says: `make references` writes them."""

import re

import pytest

from handlers.settings.table import SETTINGS
from tests.rigs.processes import ROOT
from tools.references import pages

PAGES = pages()
TEMPLATE = (ROOT / "template.yaml").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_is_what_the_code_says(name: str) -> None:
    """If this fails, run `make references` and commit the page."""
    assert (ROOT / "docs" / name).read_text() == PAGES[name]


def test_every_setting_has_a_meaning_and_an_example() -> None:
    for each in SETTINGS.values():
        assert each.meaning.endswith(".")
        assert each.example
        assert not each.choices or {each.default, each.example} <= set(each.choices)


def test_every_parameter_has_its_line() -> None:
    declared = TEMPLATE.split("\nParameters:\n")[1].split("\nGlobals:\n")[0]
    names = re.findall(r"^  (\w+):$", declared, re.MULTILINE)
    assert len(names) > 30
    assert [name for name in names if f"\n| `{name}` |" not in PAGES["settings.md"]] == []


def test_a_setting_names_the_parameters_that_set_it() -> None:
    lines = [line for line in PAGES["settings.md"].splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line for line in lines}
    assert rows["CODEC_ISSUER"].endswith("| `Issuer` |")
    assert "`Keyring`" in rows["CODEC_KEYRING"]
    assert "`Rings`" in rows["CODEC_KEYRING"]
    assert rows["PORT"].endswith("| none |")
