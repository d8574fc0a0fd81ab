"""`make references`: write the references in docs/ that follow from the code.

    docs/settings.md    handlers/settings/table.py and template.yaml
    docs/policy.md      the structs of temporal_codec.policy, and decisions that are computed here
    docs/cli.md         the commands and options of `temporal-codec`

A test compares each page with what this module renders.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml
from msgspec.structs import replace
from typer.cli import get_docs_for_click

from handlers.settings.issuer import TEMPORAL_CLOUD
from handlers.settings.table import SECTIONS, Setting
from temporal_codec.cli.app import app
from temporal_codec.cli.doctor.given import VARIABLE
from temporal_codec.policy import MAX_BYTES, Identity, parse
from temporal_codec.policy.document import GrantDocument, PolicyDocument
from temporal_codec.policy.patterns import MAX_PATTERN_BYTES, MAX_STARS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FRAMES = ROOT / "tools" / "pages"
"""What a page says around its tables, with names in braces in their place."""


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (DOCS / name).write_text(text)
        sys.stdout.write(f"Wrote docs/{name}.\n")


def pages() -> dict[str, str]:
    """The pages by file name, as they must be."""
    return {"settings.md": settings_page(), "policy.md": policy_page(), "cli.md": cli_page()}


def settings_page() -> str:
    """Every setting, and every parameter of the template."""
    template = _template()
    setters = _setters(template)
    return _frame("settings.md").format(
        settings="\n\n".join(
            f"### {heading}\n{_table(_SETTING, (_row(each, setters) for each in section))}"
            for heading, section in SECTIONS.items()
        ),
        issuer=TEMPORAL_CLOUD.issuer,
        jwks_url=TEMPORAL_CLOUD.jwks_url,
        audiences=", ".join(TEMPORAL_CLOUD.audiences),
        email_claim=TEMPORAL_CLOUD.email_claim,
        parameters="\n\n".join(_parameters(template)),
    )


_SETTING = ("setting", "default", "meaning", "example", "parameter")


def _row(each: Setting, setters: dict[str, list[str]]) -> Sequence[str]:
    choices = f" One of {', '.join(f'`{c}`' for c in each.choices)}." if each.choices else ""
    default = f"`{each.default}`" if each.default else "empty"
    parameters = ", ".join(f"`{name}`" for name in setters.get(each.name, [])) or "none"
    return f"`{each.name}`", default, each.meaning + choices, f"`{each.example}`", parameters


def _parameters(template: dict[str, Any]) -> Iterator[str]:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    for group in groups:
        rows = (_parameter(name, template["Parameters"][name]) for name in group["Parameters"])
        yield f"### {group['Label']['default']}\n" + _table(
            ("parameter", "default", "meaning"), rows
        )


def _parameter(name: str, declared: dict[str, Any]) -> Sequence[str]:
    default = declared.get("Default", "none")
    allowed = ", ".join(f"`{each}`" for each in declared.get("AllowedValues", []))
    meaning = declared["Description"].strip() + (f" One of {allowed}." if allowed else "")
    return f"`{name}`", "empty" if default == "" else f"`{default}`", meaning


def _setters(template: dict[str, Any]) -> dict[str, list[str]]:
    """For each variable of the functions the parameters that it depends on."""
    blocks = [template["Globals"]["Function"]]
    blocks += [
        each["Properties"] for each in template["Resources"].values() if "Properties" in each
    ]
    found: dict[str, list[str]] = {}
    for block in blocks:
        variables = block.get("Environment", {}).get("Variables", {})
        for name, value in variables.items():
            names = dict.fromkeys(_names(value, template["Conditions"]))
            found[name] = [each for each in names if each in template["Parameters"]]
    return found


def _names(value: object, conditions: dict[str, Any]) -> Iterator[str]:
    """Every name that a value, and the conditions in it, refer to."""
    if isinstance(value, str):
        yield value
        yield from re.findall(r"\$\{(\w+)\}", value)
        if value in conditions:
            yield from _names(conditions[value], conditions)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each, conditions)


def _template() -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        """Reads `!Ref X` and its like as their argument alone."""

    def argument(loader: Loader, _tag: str, node: yaml.Node) -> object:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return []

    Loader.add_multi_constructor("!", argument)
    read: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader)  # noqa: S506
    return read


_EXAMPLE = """{
  "groups": {"on-call": ["ana@example.com", "sub:auth0|123"]},
  "grants": [
    {"identities": ["*@example.com"], "namespaces": ["orders-*.a1b2c"], "operations": ["decode"]},
    {"identities": ["members:on-call"], "namespaces": ["*"],
     "operations": ["decode", "encode", "download"]},
    {"identities": ["group:support"], "namespaces": ["tickets.a1b2c"], "operations": ["decode"],
     "claims": {"org_id": ["org_1", "org_2"]}}
  ]
}"""
_BOB = Identity("auth0|1", "bob@example.com", "")
_ANA = Identity("auth0|2", "ana@example.com", "")
_SUPPORT = {
    org: Identity("auth0|3", None, "", groups=frozenset({"support"}), claims={"org_id": org})
    for org in ("org_1", "org_3")
}
_QUESTIONS = (
    ("`bob@example.com`", _BOB, "orders-eu.a1b2c", "decode"),
    ("`bob@example.com`", _BOB, "orders-eu.a1b2c", "encode"),
    ("`bob@example.com`", _BOB, "invoices.a1b2c", "decode"),
    (
        "`bob@eu.example.com`",
        replace(_BOB, email="bob@eu.example.com"),
        "orders-eu.a1b2c",
        "decode",
    ),
    ("`ana@example.com`", _ANA, "invoices.a1b2c", "encode"),
    ("subject `auth0|123`", Identity("auth0|123", None, ""), "invoices.a1b2c", "download"),
    ("group `support`, `org_id` is `org_1`", _SUPPORT["org_1"], "tickets.a1b2c", "decode"),
    ("group `support`, `org_id` is `org_3`", _SUPPORT["org_3"], "tickets.a1b2c", "decode"),
)


def policy_page() -> str:
    """Every member of the policy document, and what an example decides."""
    head = ("member", "type", "default", "meaning")
    policy = parse(_EXAMPLE.encode())
    decisions = (
        (label, f"`{namespace}`", operation, policy.decide(identity, namespace, operation))
        for label, identity, namespace, operation in _QUESTIONS
    )
    return _frame("policy.md").format(
        document=_table(head, _members(PolicyDocument)),
        grant=_table(head, _members(GrantDocument)),
        example=_EXAMPLE,
        decisions=_table(
            ("token", "namespace", "operation", "decision"),
            ((*asked, f"allowed by `{rule}`" if rule else "denied") for *asked, rule in decisions),
        ),
        max_bytes=f"{MAX_BYTES:,}",
        max_pattern=f"{MAX_PATTERN_BYTES:,}",
        max_stars=MAX_STARS,
    )


def _members(struct: type) -> Iterator[Sequence[str]]:
    """A struct's fields, each with the docstring that follows it in the source."""
    (definition,) = ast.parse(inspect.getsource(struct)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 — for the type checker
    for field, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            kind = ast.unparse(field.annotation).replace("|", "or")
            default = f"`{ast.unparse(field.value)}`" if field.value else "required"
            meaning = " ".join(str(ast.literal_eval(after.value)).split())
            yield f"`{ast.unparse(field.target)}`", f"`{kind}`", default, meaning


def cli_page() -> str:
    """Every command of `temporal-codec`, as its help describes it."""
    command = typer.main.get_command(app)
    _summarize(command)
    rendered = get_docs_for_click(
        obj=command, ctx=typer.Context(command), name="temporal-codec", title=""
    )
    body = rendered.split("\n", 1)[1].replace("```console\n$ ", "```\n")
    commands = re.findall(r"^## `(.*)`$", body, re.MULTILINE)
    sections = "\n".join(f"- [{each}](#{each.replace(' ', '-')})" for each in commands)
    return _frame("cli.md").format(
        sections=sections, body=re.sub(r"\n{3,}", "\n\n", body).strip(), variable=VARIABLE
    )


def _summarize(command: Any) -> None:  # noqa: ANN401 — typer's own type
    # A list of commands has each one's first paragraph, not its first 45 characters.
    for each in getattr(command, "commands", {}).values():
        each.short_help = " ".join((each.help or "").split("\n\n")[0].split())
        _summarize(each)


def _frame(name: str) -> str:
    return (FRAMES / name).read_text()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([c.replace("|", r"\|") for c in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
