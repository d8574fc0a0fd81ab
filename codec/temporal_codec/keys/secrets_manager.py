"""Key rings from AWS Secrets Manager.

No other module imports it, so a server without such a ring does not pay for it.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from temporal_codec.arn import region_of
from temporal_codec.aws import AwsError, Service
from temporal_codec.errors import KeyringError, KeyringNotFound, KeyringUnavailable
from temporal_codec.keys.keyring import Keyring
from temporal_codec.namespace import PLACEHOLDER, place_name

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"

_HINTS = {
    "AccessDeniedException": " (this role may not read it, or not use its KMS key)",
    "InvalidRequestException": " (is it marked for deletion? restore it)",
    "DecryptionFailure": " (its KMS key cannot be used: disabled, or deleted?)",
}
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}")  # of an ARN, which AWS may be asked without


class SecretsManagerLoader:
    """Loads the ring of a namespace from the secret of that name (a `sources.Loader`)."""

    def __init__(self, name: str, client: Any = None) -> None:  # noqa: ANN401 — botocore makes it
        """Take a secret's name or ARN; ``{namespace}`` in a name stands for the namespace.

        Raises KeyringError if it is an ARN that cannot be read, or one with a placeholder.
        """
        self._name = name
        self._service = Service("secretsmanager", client, region=_region(name))
        self._alone = False  # not allowed to read several at once

    def __call__(self, namespace: str) -> Keyring:
        """The ring; raises KeyringNotFound, KeyringUnavailable or KeyringError.

        The faults do not name the secret: the source does, which knows it.
        """
        name = self._name.replace(PLACEHOLDER, place_name(namespace))
        try:
            # The stage is named, because the default differs between implementations.
            answer = self._service.ask("get_secret_value", SecretId=name, VersionStage=CURRENT)
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                raise KeyringNotFound(f"there is no secret {name}") from None
            raise KeyringUnavailable(explained(error), error.cooldown) from None
        if not _is(name, answer):
            raise KeyringError("AWS answered with another secret")
        return Keyring.from_json(secret_text(answer))

    def several(self, namespaces: Sequence[str]) -> dict[str, Keyring]:
        """See `together.Several`: what is missing or broken is left to a call of its own."""
        names = {self._name.replace(PLACEHOLDER, place_name(each)): each for each in namespaces}
        rings: dict[str, Keyring] = {}
        if self._alone:
            return rings
        try:
            answer = self._service.ask("batch_get_secret_value", SecretIdList=[*names])
        except AwsError as error:
            if error.code != "AccessDeniedException":
                raise KeyringUnavailable(error.code, error.cooldown) from None
            self._alone = True  # the role's policy is older than this permission
            return rings
        for each in answer.get("SecretValues", []):
            namespace = names.get(str(each.get("Name")))
            if namespace is not None and CURRENT in each.get("VersionStages", []):
                with suppress(KeyringError):
                    rings[namespace] = Keyring.from_json(secret_text(each))
        return rings


def _region(name: str) -> str | None:
    try:
        region = region_of("secretsmanager", name.replace(PLACEHOLDER, "x"))
    except ValueError:
        raise KeyringError("secretsmanager: needs a secret's name or its ARN") from None
    if name.startswith("arn:") and PLACEHOLDER in name:
        # A partial ARN also names a secret, so one namespace's name could select another's secret.
        raise KeyringError("{namespace} cannot stand in an ARN: use the secret's name")
    return region


def _is(name: str, answer: dict[str, Any]) -> bool:
    found = str(answer.get("ARN" if name.startswith("arn:") else "Name"))
    return found == name or (
        name.startswith("arn:") and _SUFFIX.fullmatch(found.removeprefix(name)) is not None
    )


def explained(error: AwsError) -> str:
    """The name of a fault of Secrets Manager, and what to look at."""
    return f"{error.code}{_HINTS.get(error.code, '')}"


def secret_text(answer: dict[str, Any]) -> bytes:
    """The text of a secret's value; raises KeyringError if it has none."""
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise KeyringError("it is binary, not a string, or empty")
    return text.encode()
