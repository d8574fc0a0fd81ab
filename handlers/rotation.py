"""The Lambda function that rotates a key ring, in the four steps of Secrets Manager's contract.

A new version of the secret is the current one plus a key that seals 25 hours later; the first
key of an empty ring seals at once. It never removes a key from a ring.
Each step can be killed after any call and run again: it finds what is done and does the rest.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from handlers.settings.rotation import rotation_settings
from temporal_codec.aws import error_code, make_client
from temporal_codec.errors import KeyringError
from temporal_codec.keys.key import LAST_GOOD, ROTATION_WAIT, new_key
from temporal_codec.keys.keyring import Keyring, same_text, with_key, without_key
from temporal_codec.keys.secrets_manager import CURRENT, PENDING, PREVIOUS, secret_text

Event = dict[str, Any]


class RotationError(Exception):
    """The rotation must stop; the message says why and never contains a value."""


class Rotation:
    """One step of rotating one secret."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401
        event: Event,
        now: datetime,
        *,
        derives: bool,
    ) -> None:
        """Take a Secrets Manager client, its event, the time, and the kind of a ring's first key.

        Later keys are of the kind of the newest one, so that an old ring's readers go on.
        """
        self._derives = derives
        self._client = client
        self._secret: str = event["SecretId"]
        self._version: str = event["ClientRequestToken"]
        self._proof = {k: event[k] for k in ("RotationToken",) if event.get(k)}
        self._now = now

    def create(self) -> None:
        """Store the new version, unless an earlier try did."""
        if self._current() == self._version or self._text(PENDING, self._version):
            return
        text = self._ring_to_extend()
        ring = Keyring.from_json(text)
        wait = ROTATION_WAIT if len(ring) else timedelta(0)
        key = new_key(
            self._now, wait=wait, derives=ring.derives or (not len(ring) and self._derives)
        )
        self._client.put_secret_value(
            SecretId=self._secret,
            ClientRequestToken=self._version,
            SecretString=with_key(text, key).decode(),
            VersionStages=[PENDING],
            **self._proof,
        )

    def set(self) -> None:
        """Do nothing: no other service has the keys."""

    def test(self) -> None:
        """Check that the new version opens all that the current one does, and has one key more."""
        current = self._current()
        if current != self._version:
            self._check_addition(current)

    def finish(self) -> None:
        """Make the new version the current one, unless the current one has changed since."""
        current = self._current()
        if current != self._version:
            self._check_addition(current)
            # From the version that was checked, and from no other: it fails if that has changed.
            self._move(CURRENT, to=self._version, origin=current)
        if PENDING in self._stages()[self._version]:
            self._move(PENDING, to=None, origin=self._version)

    def _check_addition(self, current: str | None) -> None:
        try:
            old = self._text(CURRENT, current) or b""
            check_addition(old, self._text(PENDING, self._version) or b"", self._now)
        except (RotationError, KeyringError):
            # Without the stage this rotation is over, and the next one starts with the ring as it
            # is then: an operator's change in between is never lost.
            if PENDING in self._stages()[self._version]:
                self._move(PENDING, to=None, origin=self._version)
            raise

    def _ring_to_extend(self) -> bytes:
        ring = self._text(CURRENT)
        if ring is None:
            raise RotationError("the secret has no current version")
        if not len(Keyring.from_json(ring)) and len(
            Keyring.from_json(self._text(PREVIOUS) or _EMPTY)
        ):
            raise RotationError(
                "the current version is empty while the previous one holds keys: was it "
                "overwritten? Put the previous version's stage AWSCURRENT back, then rotate"
            )
        return ring

    def _current(self) -> str | None:
        return next((v for v, labels in self._stages().items() if CURRENT in labels), None)

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
            # The second is what it says of a version without this stage.
            if error_code(error) in {"ResourceNotFoundException", "InvalidRequestException"}:
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


def check_addition(old: bytes, new: bytes, now: datetime) -> None:
    """Raise RotationError unless `new` is `old` plus one key that seals late enough."""
    before, after = Keyring.from_json(old), Keyring.from_json(new)
    added = [*after][-1:]
    if not added or not same_text(old, without_key(new, added[0].id)):
        raise RotationError(
            "the new version is not the current one plus one key: the ring was changed meanwhile. "
            "The next rotation starts over"
        )
    if len(before) and added[0].activation_date < now + LAST_GOOD:
        raise RotationError(
            "the rotation took too long: its key would encrypt before every reader has it. The "
            "next rotation starts over"
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
_settings = rotation_settings(os.environ)


@_logger.inject_lambda_context(log_event=False)
def handler(event: Event, context: Any) -> None:  # noqa: ANN401 — the runtime's own object
    """Run one step; an exception makes Secrets Manager retry later, and raises the alarm."""
    global _client  # noqa: PLW0603 — an entry file's state: one client for the environment
    step, now = _STEPS.get(str(event.get("Step"))), datetime.now(UTC)
    if step is None and event.get("Step") != "checkRotation":
        raise RotationError("not a step of Secrets Manager's rotation")
    _client = _client or make_client("secretsmanager")
    about = {"step": event["Step"], "secret": event.get("SecretId")}
    try:
        if step:
            step(Rotation(_client, event, now, derives=_settings.derives))
            _logger.info("rotation", extra=about)
            return
        from temporal_codec.keys.overdue import overdue  # noqa: PLC0415 — not for a rotation

        for secret, why in overdue(_client, event["Secret"], context.invoked_function_arn, now):
            _logger.error("rotation overdue", extra={"secret": secret, "cause": why})
    except (KeyringError, RotationError, BotoCoreError, ClientError) as error:
        from_aws = isinstance(error, BotoCoreError | ClientError)
        call = getattr(error, "operation_name", "AWS")
        cause = f"{call}: {error_code(error)}" if from_aws else str(error)
        _logger.error("rotation failed", extra={**about, "cause": cause})
        raise RotationError(cause) from None
