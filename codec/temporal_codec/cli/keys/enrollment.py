"""Rings of one stack in Secrets Manager, and how each comes into rotation.

No key passes through here: a ring starts empty, and the rotation function adds its first key.
"""

from collections import Counter
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.aws import make_client
from temporal_codec.cli.aws_faults import fault_code, sentence
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys.look import say, warn
from temporal_codec.cli.progress import track_items
from temporal_codec.namespace import PLACEHOLDER, place_name

_ENOUGH_FAULTS = 5
# Thousands of calls in a row are throttled now and then.
_PATIENT = {"total_max_attempts": 8, "mode": "adaptive"}
_AGAIN = "Run the command again: what is done stays done."
_SENTENCES = {
    "made": "made, in rotation",
    "adopted": "existed, in rotation from now on",
    "unchanged": "in rotation already",
    "waiting": "in rotation already, still without its first rotation",
}


class _Place(NamedTuple):
    """The facts about a stack's rings, from its outputs."""

    uri: str
    key: str
    function: str


class Enrollment:
    """Rings of one stack."""

    def __init__(self, stack: str, days: int) -> None:
        """Ask the stack for its KMS key and its rotation function; raises CliError."""
        self._place = _place_of(stack)
        self._rules = {"AutomaticallyAfterDays": days}
        self._secrets = make_client("secretsmanager", retries=_PATIENT)

    def enroll(self, namespaces: list[str]) -> None:
        """Enroll each and say how many; raises CliError if some could not be."""
        done: Counter[str] = Counter()
        faults = 0
        for namespace in track_items(namespaces, "Enrolling", len(namespaces)):
            name = self._place.uri.partition(":")[2].replace(PLACEHOLDER, place_name(namespace))
            try:
                done[self._one(name)] += 1
                faults = 0
            except (BotoCoreError, ClientError, CliError) as error:
                why = str(error) if isinstance(error, CliError) else sentence(error)
                warn(f"{name}: {why}")
                done["failed"] += 1
                faults += 1
            if faults == _ENOUGH_FAULTS:
                raise CliError(f"{faults} rings in a row failed, so the command stopped. {_AGAIN}")
        for outcome, words in _SENTENCES.items():
            if done[outcome]:
                say(f"{done[outcome]} {words}.")
        if done["waiting"]:
            say("The stack's alarm and log name each ring whose rotation failed.")
        if done["failed"]:
            raise CliError(f"{done['failed']} failed. {_AGAIN}")

    def _one(self, name: str) -> str:
        found = self._described(name)
        if found is None:
            self._secrets.create_secret(
                Name=name,
                Description="Key ring of one namespace.",
                KmsKeyId=self._place.key,
                SecretString='{"keys":[]}',
            )
        else:
            self._check(found)
        if found and self._rotates(found):
            if "LastRotatedDate" in found:
                return "unchanged"
            self._rotate(name)
            return "waiting"
        self._rotate(name)
        return "adopted" if found else "made"

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._secrets.describe_secret(SecretId=name)
        except ClientError as error:
            if fault_code(error) == "ResourceNotFoundException":
                return None
            raise
        return found

    def _check(self, found: dict[str, Any]) -> None:
        if "DeletedDate" in found:
            raise CliError(
                "It is marked for deletion. Bring it back first: "
                "aws secretsmanager restore-secret --secret-id NAME"
            )
        key = str(found.get("KmsKeyId", ""))
        if key.rpartition("/")[2] != self._place.key.rpartition("/")[2]:
            raise CliError(
                "It is encrypted with another KMS key than the stack's, which its rotation "
                "function cannot use. Deploy the stack with that key (ExistingRingKey)."
            )

    def _rotates(self, found: dict[str, Any]) -> bool:
        return bool(
            found.get("RotationEnabled")
            and found.get("RotationLambdaARN") == self._place.function
            and found.get("RotationRules") == self._rules
        )

    def _rotate(self, name: str) -> None:
        try:
            self._secrets.rotate_secret(
                SecretId=name, RotationLambdaARN=self._place.function, RotationRules=self._rules
            )
        except ClientError as error:
            # A rotation is under way, and Secrets Manager goes on with it.
            if fault_code(error) != "InvalidRequestException":
                raise


def _place_of(stack: str) -> _Place:
    try:
        (found,) = make_client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        if fault_code(error) == "ValidationError":
            raise CliError(f"There is no stack {stack} in this account and region.") from None
        raise CliError(f"The stack {stack} cannot be read. {sentence(error)}") from None
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if PLACEHOLDER not in outputs.get("KeyRing", ""):
        raise CliError(
            f"The stack {stack} has one ring for all namespaces. Deploy it with "
            "Rings=per-namespace first."
        )
    return _Place(outputs["KeyRing"], outputs["RingKeyArn"], outputs["RotationFunctionArn"])
