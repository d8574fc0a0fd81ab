"""AWS KMS, as far as payloads of Temporal's own proxy need it."""

from collections.abc import Mapping
from typing import Any

from handlers.settings.kms import KmsKeys
from temporal_codec.keys.envelope import Kms


def make_kms(keys: KmsKeys) -> Kms:
    """What unwraps data keys with the keys that may be asked."""
    services: dict[str, Any] = {}

    def ask(region: str, arguments: Mapping[str, Any]) -> bytes:
        if region not in services:
            from temporal_codec.aws import Service  # noqa: PLC0415 — it costs 0.2 s

            services[region] = Service("kms", region=region)
        secret: bytes = services[region].ask("decrypt", **arguments)["Plaintext"]
        return secret

    return Kms(keys.allowed, ask)
