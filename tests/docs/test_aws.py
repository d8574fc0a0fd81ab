"""Every `aws` command that a page types exists: AWS's own descriptions know it."""

import re
import shlex
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from tests.docs.pages import FENCED
from tests.rigs.processes import ROOT

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
# What the `aws` program itself understands, whatever the service.
OF_THE_PROGRAM = {"query", "output", "profile", "region"}
# Commands that are the program's own, and their options.
OWN = {
    "logs tail": {"since", "filter-pattern"},
    "cloudformation deploy": {"template-file", "stack-name", "parameter-overrides"},
}
OTHER_NAMES = {"deploy": "codedeploy", "s3api": "s3"}


def typed(text: str) -> Iterator[str]:
    """The commands of a page's blocks and sentences."""
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^ *(?:\$ )?(aws .*?)(?: [>|] .*)?$", block, re.MULTILINE)
    yield from re.findall(r"`(aws [a-z0-9]+ [^`]+)`", FENCED.sub("", text))


COMMANDS = sorted({each for page in PAGES for each in typed(page.read_text())})


@pytest.mark.parametrize("command", COMMANDS)
def test_aws_knows_what_it_is_asked(command: str) -> None:
    """The operation, its options, and what it cannot do without."""
    _, service, operation, *words = shlex.split(command)
    given = {word[2:] for word in words if word.startswith("--")} - OF_THE_PROGRAM
    if own := OWN.get(f"{service} {operation}"):
        assert given <= own
        return
    model = botocore.session.get_session().get_service_model(OTHER_NAMES.get(service, service))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    assert given <= {xform_name(name, "-") for name in shape.members}
    assert {xform_name(name, "-") for name in shape.required_members} <= given


def test_the_pages_type_commands() -> None:
    assert len(COMMANDS) > 50
