"""The template's parameters: their defaults, what samconfig.toml sets, and what a stack has."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CONFIG, TEMPLATE = Path("samconfig.toml"), Path("template.yaml")
_PLAIN = re.compile(r"[!-~]*")


class ConfigError(Exception):
    """samconfig.toml does not say what is needed."""


class _Loader(yaml.SafeLoader):
    """Reads a template without what CloudFormation's own tags stand for."""


_Loader.add_multi_constructor("!", lambda *_: None)


def defaults(template: Path = TEMPLATE) -> dict[str, str]:
    """Every parameter of a template with its default, as CloudFormation writes it."""
    # The loader is a safe one.
    read = yaml.load(template.read_text(), Loader=_Loader)["Parameters"]  # noqa: S506
    return {name: str(each.get("Default", "")) for name, each in read.items()}


def settings(environment: str, config: Path = CONFIG) -> dict[str, Any]:
    """What samconfig.toml sets for `sam deploy` in an environment; raises ConfigError."""
    read = tomllib.loads(config.read_text())
    if "deploy" not in read.get(environment, {}):
        raise ConfigError(
            f"{config} has no environment {environment}: add [{environment}.global.parameters] "
            f"and [{environment}.deploy.parameters], as the others have them"
        )
    commands = (read[environment].get(each, {}) for each in ("global", "deploy"))
    return {name: value for each in commands for name, value in each["parameters"].items()}


def overrides(environment: str, config: Path = CONFIG) -> dict[str, str]:
    """The template's parameters that an environment of samconfig.toml sets."""
    given = settings(environment, config).get("parameter_overrides", [])
    if isinstance(given, dict):
        return {name: str(value) for name, value in given.items()}
    listed = shlex.split(given) if isinstance(given, str) else given
    return dict(_pair(each) for each in listed)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, shlex.split(value)[0] if value.startswith('"') else value


def save(environment: str, parameters: Mapping[str, str], config: Path = CONFIG) -> None:
    """Write an environment's parameters to samconfig.toml, and leave the rest as it is."""
    pairs = (json.dumps(f"{name}={_quoted(value)}") for name, value in parameters.items() if value)
    written = "parameter_overrides = [\n" + "".join(f"  {each},\n" for each in pairs) + "]\n"
    before, header, after = config.read_text().partition(f"[{environment}.deploy.parameters]\n")
    section, next_table, rest = after.partition("\n[")
    kept = re.sub(
        r"^parameter_overrides = (\[.*?\]|[^\n]*)\n",
        "",
        section + "\n",
        flags=re.MULTILINE | re.DOTALL,
    ).removesuffix("\n")
    config.write_text(before + header + written + kept + next_table + rest)


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else f'"{value}"'


def live(stack: Mapping[str, Any] | None) -> dict[str, str]:
    """The parameters that a stack was deployed with."""
    given: Iterable[Mapping[str, str]] = (stack or {}).get("Parameters", [])
    return {each["ParameterKey"]: each["ParameterValue"] for each in given}
