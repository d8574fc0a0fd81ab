"""The Lambda function that rotates a key ring, in the four steps of Secrets Manager's contract.

A new version of the secret is the current one plus a key that seals 25 hours later; the first
key of an empty ring seals at once. Nothing is ever taken out of a ring here.
Each step may be killed after any call and run again: it finds what is done, and does the rest.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from temporal_codec import encryption, pipeline
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import ROTATION_WAIT, new_key
from temporal_codec.keys.keyring import Keyring, with_key
from temporal_codec.keys.secrets_manager import (
    CURRENT,
    PENDING,
    PREVIOUS,
    error_code,
    make_client,
    secret_text,
)

Event = dict[str, Any]


class RotationError(Exception):
    """The rotation must not go on; the message says why and never holds a value."""


class Rotation:
    """One step of rotating one secret."""

    def __init__(self, client: Any, event: Event, now: datetime) -> None:  # noqa: ANN401
        """Take a Secrets Manager client, the event that it sent, and the time."""
        self._client = client
        self._secret: str = event["SecretId"]
        self._version: str = event["ClientRequestToken"]
        self._proof = {k: event[k] for k in ("RotationToken",) if event.get(k)}
        self._now = now

    def create(self) -> None:
        """Store the new version, unless an earlier try has."""
        if self._is_current() or self._text(PENDING, self._version):
            return
        ring = self._ring_to_extend()
        empty = not Keyring.from_json(ring)
        key = new_key(self._now, wait=timedelta(0) if empty else ROTATION_WAIT)
        self._client.put_secret_value(
            SecretId=self._secret,
            ClientRequestToken=self._version,
            SecretString=with_key(ring, key).decode(),
            VersionStages=[PENDING],
            **self._proof,
        )

    def set(self) -> None:
        """Nothing: no other service holds the keys."""

    def test(self) -> None:
        """Make sure that the new version opens all that the current one does, and one key more."""
        if self._is_current():
            return
        old = list(Keyring.from_json(self._text(CURRENT) or b""))
        new = list(Keyring.from_json(self._text(PENDING, self._version) or b""))
        if new[:-1] != old:
            raise RotationError("the new version is not the current one plus one key")
        (sealed,) = pipeline.encode([b""], new[-1])
        encryption.open_sealed(new[-1], sealed)

    def finish(self) -> None:
        """Make the new version the current one."""
        stages = self._stages()
        if CURRENT not in stages[self._version]:
            current = [version for version, labels in stages.items() if CURRENT in labels]
            self._move(CURRENT, to=self._version, origin=current[0] if current else None)
        if PENDING in stages[self._version]:
            self._move(PENDING, to=None, origin=self._version)

    def _ring_to_extend(self) -> bytes:
        ring = self._text(CURRENT)
        if ring is None:
            raise RotationError("the secret has no current version")
        if not Keyring.from_json(ring) and Keyring.from_json(self._text(PREVIOUS) or _EMPTY):
            raise RotationError(
                "the current version is empty while the previous one holds keys: was it "
                "overwritten? Put the previous version's stage AWSCURRENT back, then rotate"
            )
        return ring

    def _is_current(self) -> bool:
        return CURRENT in self._stages()[self._version]

    def _stages(self) -> dict[str, list[str]]:
        described = self._client.describe_secret(SecretId=self._secret)
        stages: dict[str, list[str]] = described.get("VersionIdsToStages", {})
        if not described.get("RotationEnabled"):
            raise RotationError("rotation is not switched on for this secret")
        if self._version not in stages:
            raise RotationError("the secret has no such version to rotate to")
        return stages

    def _text(self, stage: str, version: str | None = None) -> bytes | None:
        which = {"VersionStage": stage, **({"VersionId": version} if version else {})}
        try:
            answer = self._client.get_secret_value(SecretId=self._secret, **which)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        return secret_text(answer) if answer.keys() & {"SecretString", "SecretBinary"} else None

    def _move(self, stage: str, *, to: str | None, origin: str | None) -> None:
        ends = {"MoveToVersionId": to, "RemoveFromVersionId": origin}
        self._client.update_secret_version_stage(
            SecretId=self._secret,
            VersionStage=stage,
            **{name: version for name, version in ends.items() if version},
        )


_EMPTY = b'{"keys":[]}'
_STEPS: dict[str, Callable[[Rotation], None]] = {
    "createSecret": Rotation.create,
    "setSecret": Rotation.set,
    "testSecret": Rotation.test,
    "finishSecret": Rotation.finish,
}
_logger = Logger(service="codec-rotation")
_client: Any = None


@_logger.inject_lambda_context
def handler(event: Event, _context: Any) -> None:  # noqa: ANN401 — the runtime's own object
    """Run one step; an exception makes Secrets Manager try again later, and raises its alarm."""
    global _client  # noqa: PLW0603 — an entry file's state: one client for the environment
    step = _STEPS.get(str(event.get("Step")))
    if step is None:
        raise RotationError("not a step of Secrets Manager's rotation")
    _client = _client or make_client()
    try:
        step(Rotation(_client, event, datetime.now(UTC)))
    except KeyringError as error:
        raise RotationError(str(error)) from None
    _logger.info("rotation", extra={"step": event["Step"], "secret": event["SecretId"]})
