"""Which KMS keys may unwrap the data keys that payloads bring, for each namespace."""

import msgspec

from handlers.settings.environ import Environ, SettingsError, text
from temporal_codec.arn import KMS_KEY
from temporal_codec.errors import PolicyError
from temporal_codec.policy.patterns import Pattern


class KmsKeys(msgspec.Struct, frozen=True):
    """Pairs of a pattern of namespaces and the ARN of a key that may be asked for them."""

    pairs: tuple[tuple[Pattern, str], ...]

    def allowed(self, namespace: str) -> frozenset[str]:
        """The ARNs of the keys that may be asked for a namespace."""
        return frozenset(arn for pattern, arn in self.pairs if pattern.matches(namespace))


def read_kms(environ: Environ) -> KmsKeys | None:
    """The keys that may be asked; None if there is none. Raises SettingsError."""
    value = text(environ, "CODEC_KMS_KEYS")
    if not value:
        return None
    pairs = [each.strip().rpartition("=") for each in value.split(",")]
    try:
        if not all(pattern and KMS_KEY.fullmatch(arn) for pattern, _, arn in pairs):
            raise SettingsError(
                "CODEC_KMS_KEYS must be a comma-separated list of NAMESPACE=ARN: a namespace, in "
                "which * stands for any characters, and the ARN of a KMS key (no alias)"
            )
        return KmsKeys(tuple((Pattern(pattern), arn) for pattern, _, arn in pairs))
    except PolicyError as error:
        raise SettingsError(f"CODEC_KMS_KEYS: {error}") from None
