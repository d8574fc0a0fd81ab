"""Reading a setting: its value or the table's default, and the errors of both."""

from collections.abc import Mapping

from handlers.settings.leaks import LEAKS, leaks
from handlers.settings.table import SETTINGS

Environ = Mapping[str, str]

NAMES = frozenset(name for name in SETTINGS if name.startswith("CODEC_"))


class SettingsError(Exception):
    """A setting is missing, unknown or wrong."""


def refuse_unknown(environ: Environ) -> None:
    """Raise SettingsError for an unknown CODEC_ name, or a variable that would log content.

    A misspelled setting must not be ignored.
    """
    for name in leaks(environ):
        raise SettingsError(f"{name} is refused: with it, {LEAKS[name]}. Unset it")
    unknown = sorted(n for n in environ if n.startswith("CODEC_") and n not in NAMES)
    if unknown:
        known = ", ".join(sorted(NAMES))
        raise SettingsError(f"unknown setting {', '.join(unknown)}; the settings are {known}")


def text(environ: Environ, name: str) -> str:
    """The setting's value, or its default if it is not set; a value may be empty."""
    return environ.get(name, SETTINGS[name].default)


def choice(environ: Environ, name: str) -> str:
    """The setting's value, which must be one of its choices; raises SettingsError."""
    value = text(environ, name)
    if value not in SETTINGS[name].choices:
        raise SettingsError(f"{name} must be {' or '.join(SETTINGS[name].choices)}")
    return value


def number(environ: Environ, name: str, at_most: int, at_least: int = 0) -> int:
    """The setting's value, a number; raises SettingsError."""
    value = text(environ, name)
    found = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else -1
    if not at_least <= found <= at_most:
        raise SettingsError(f"{name} must be a number from {at_least} to {at_most}")
    return found
