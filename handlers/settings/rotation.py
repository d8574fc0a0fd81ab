"""Settings of the rotation function."""

import msgspec

from handlers.settings.environ import Environ, choice, refuse_unknown


class RotationSettings(msgspec.Struct, frozen=True):
    """The settings of the rotation function."""

    derives: bool
    """Whether the first key of an empty ring derives a key for each namespace."""


def rotation_settings(environ: Environ) -> RotationSettings:
    """Settings of the rotation function; raises SettingsError."""
    refuse_unknown(environ)
    return RotationSettings(choice(environ, "CODEC_DERIVE_KEYS") == "true")
