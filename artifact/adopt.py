"""`make adopt`: find what a deleted stack left behind, and let the next deployment use it.

Keys, rings, logs and edited policies outlive their stack: what was encrypted must stay readable.
"""

import sys
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError

from artifact.parameters import ConfigError, overrides, save, settings
from artifact.stack import FIRST, Client, Stack, told


def found(stack: Stack, ring: str) -> tuple[dict[str, str], list[str]]:
    """Parameters that adopt what is there, and a line about each thing that is."""
    secrets = stack.client("secretsmanager")
    chosen: dict[str, str] = {}
    lines = []
    for secret in sorted(_rings(secrets), key=lambda each: str(each["Name"])):
        key, state = _key(stack.client("kms"), secret["KmsKeyId"])
        lines.append(f"key ring {secret['Name']}: {secret['ARN']}, KMS key {state}")
        if secret["Name"] == ring:
            chosen |= {"ExistingRing": secret["ARN"], "ExistingRingKey": key}
    for group in stack.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/temporal-codec/{stack.name}"
    )["logGroups"]:
        if group["logGroupName"] == f"/temporal-codec/{stack.name}" and "kmsKeyId" in group:
            chosen["ExistingLogsKey"] = group["kmsKeyId"]
            _, state = _key(stack.client("kms"), group["kmsKeyId"])
            lines.append(f"log group {group['logGroupName']}: KMS key {state}")
    policy = f"/{stack.name}/access-policy"
    if _exists(stack.client("ssm"), policy):
        lines.append(f"policy {policy}: the next stack of this name uses it as it is")
    return chosen, lines


def _rings(secrets: Client) -> Iterator[dict[str, str]]:
    pages = secrets.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": [f"{FIRST}/"]}]
    )
    for page in pages:
        for secret in page["SecretList"]:
            # A ring without a key of its own uses the account's default one.
            yield {"KmsKeyId": "alias/aws/secretsmanager"} | secrets.describe_secret(
                SecretId=secret["ARN"]
            )


def _key(keys: Client, name: str) -> tuple[str, str]:
    # The key's ARN, because parameters accept no alias, and what is wrong with the key.
    try:
        told = keys.describe_key(KeyId=name)["KeyMetadata"]
    except ClientError as error:
        return name, f"{name} ({error.response['Error']['Code']})"
    key, state = told["Arn"], told["KeyState"]
    mend = "cancel-key-deletion" if state == "PendingDeletion" else "enable-key"
    wrong = f" is {state}: run aws kms {mend} --key-id {key}"
    return key, key if state == "Enabled" else f"{key}{wrong}"


def _exists(parameters: Client, name: str) -> bool:
    try:
        parameters.get_parameter(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return False
        raise
    return True


def adopt(environment: str) -> list[str]:
    """Write to samconfig.toml what the next deployment adopts; gives what was found."""
    stack = Stack(settings(environment))
    if stack.description() is not None:
        raise ConfigError(f"The stack {stack.name} exists: nothing needs to be adopted.")
    given = overrides(environment)
    chosen, lines = found(stack, given.pop("RingName", "") or stack.ring)
    if chosen:
        save(environment, {**given, **chosen})
        lines += [f"samconfig.toml: {name}={value}" for name, value in chosen.items()]
    return [*lines, "Next: make deploy"] if lines else [f"{stack.name} left nothing behind."]


if __name__ == "__main__":
    try:
        print(*adopt(sys.argv[1]), sep="\n")
    except ConfigError as error:
        sys.exit(str(error))
    except (BotoCoreError, ClientError) as error:
        sys.exit(told(error))
