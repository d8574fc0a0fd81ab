"""The names of all settings, and what every reader of them does."""

from collections.abc import Mapping

NAMES = frozenset(
    {
        "CODEC_AUDIENCES",
        "CODEC_AUTH",
        "CODEC_AUTHORIZER",
        "CODEC_CLOUD_API_KEY",
        "CODEC_COMPRESSION",
        "CODEC_DEFAULT_NAMESPACE",
        "CODEC_EMAIL_CLAIM",
        "CODEC_ISSUER",
        "CODEC_JWKS_URL",
        "CODEC_KEYRING",
        "CODEC_ON_DENY",
        "CODEC_OPERATIONS",
        "CODEC_ORIGINS",
        "CODEC_POLICY",
        "CODEC_STORAGE_BUCKETS",
        "CODEC_STORAGE_DRIVERS",
        "CODEC_STORAGE_SHARED",
        "CODEC_STRICT",
    }
)

Environ = Mapping[str, str]


class SettingsError(Exception):
    """A setting is missing, unknown or wrong."""


def refuse_unknown(environ: Environ) -> None:
    """Raise SettingsError where a setting is none of ours: a misspelt one would be the default."""
    unknown = sorted(n for n in environ if n.startswith("CODEC_") and n not in NAMES)
    if unknown:
        known = ", ".join(sorted(NAMES))
        raise SettingsError(f"unknown setting {', '.join(unknown)}; there are {known}")


def choice(environ: Environ, name: str, choices: tuple[str, ...]) -> str:
    """The setting of this name, of which the first choice is the default; raises SettingsError."""
    value = environ.get(name, choices[0])
    if value not in choices:
        raise SettingsError(f"{name} must be {' or '.join(choices)}")
    return value
