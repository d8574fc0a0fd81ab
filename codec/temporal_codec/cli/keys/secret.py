"""A key ring in AWS Secrets Manager: changes are atomic and never overwrite another change.

The new version is stored under a label of its own. Then AWSCURRENT moves to it, but only from the
version that was read, so it fails if somebody else changed the secret first.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.arn import region_of
from temporal_codec.aws import make_client
from temporal_codec.cli.aws_faults import fault_code, sentence
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.metric import sealed_in
from temporal_codec.cli.keys.store import Stored, overtaken
from temporal_codec.errors import KeyringError
from temporal_codec.keys.secrets_manager import CURRENT, PREVIOUS, secret_text


class SecretStore:
    """A `RingStore`."""

    def __init__(self, name: str, client: Any = None) -> None:  # noqa: ANN401 — see make_client
        self._name = name
        self.uri = f"secretsmanager:{name}"
        self.repair = (
            'Restore a good version: docs/operations.md says how, under "A ring is broken".'
        )
        try:
            self._region = region_of("secretsmanager", name)
        except ValueError:
            raise CliError("secretsmanager: needs a secret's name or its ARN.") from None
        with self._told():
            self._client = client or make_client("secretsmanager", region=self._region)

    def read(self) -> Stored | None:
        """See `RingStore`."""
        return self._version(CURRENT)

    def previous(self) -> bytes | None:
        """See `RingStore`."""
        stored = self._version(PREVIOUS)
        return stored.text if stored else None

    def create(self, text: bytes) -> None:
        """See `RingStore`."""
        with self._told():
            self._client.create_secret(
                Name=self._name, SecretString=text.decode(), ClientRequestToken=str(uuid4())
            )

    def replace(self, old: Stored, text: bytes) -> None:
        """See `RingStore`."""
        version = str(uuid4())
        # Not AWSPENDING: that belongs to the rotation function. Without any label of its own the
        # version could be cleared away before it is the current one.
        label = f"temporal-codec-{version[:8]}"
        with self._told():
            self._client.put_secret_value(
                SecretId=self._name,
                ClientRequestToken=version,
                SecretString=text.decode(),
                VersionStages=[label],
            )
        try:
            self._make_current(version, old.version)
        finally:
            # The label is no longer needed; it does no harm if it stays.
            with suppress(BotoCoreError, ClientError):
                self._client.update_secret_version_stage(
                    SecretId=self._name, VersionStage=label, RemoveFromVersionId=version
                )

    def warnings(self) -> list[str]:
        """See `RingStore`: IAM decides who can read a secret."""
        return []

    def sealed(self, labels: Collection[str]) -> dict[str, int]:
        """See `RingStore`: the functions count in CloudWatch."""
        try:
            cloudwatch = make_client("cloudwatch", region=self._region)
            return sealed_in(cloudwatch, labels, datetime.now(UTC))
        except (BotoCoreError, ClientError) as error:
            raise CliError(f"CloudWatch: {fault_code(error)}.") from None

    def _make_current(self, version: str, old: str) -> None:
        try:
            self._client.update_secret_version_stage(
                SecretId=self._name,
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=old,
            )
        except (BotoCoreError, ClientError) as error:
            if fault_code(error) == "InvalidParameterException":
                raise CliError(overtaken(self.uri)) from None
            raise CliError(f"{self.uri}: {sentence(error)}{_doubt(error)}") from None

    def _version(self, stage: str) -> Stored | None:
        with self._told():
            try:
                answer = self._client.get_secret_value(SecretId=self._name, VersionStage=stage)
            except ClientError as error:
                if fault_code(error) == "ResourceNotFoundException":
                    return None
                raise
        try:
            return Stored(secret_text(answer), answer["VersionId"])
        except KeyringError as error:
            raise CliError(f"{self.uri} is broken: {error}. {self.repair}") from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise CliError(f"{self.uri}: {sentence(error)}") from None


def _doubt(error: BotoCoreError | ClientError) -> str:
    # A lost response may have been a success.
    if (
        isinstance(error, ClientError)
        and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    ):
        return ""
    return " It is unknown whether the change was made: run `temporal-codec keys list` first."
