"""`make deploy`: a release of its own for each set of code and parameters, and a look afterwards.

Where a published version serves, nothing else would notice that it has the old settings.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session

from artifact.release import NAME, overrides, release

CONFIG, BUILT = Path("samconfig.toml"), Path(".aws-sam/build")
ALIAS = "live"
Client = Any


def deploy(sam: str, environment: str, more: list[str]) -> int:
    """Deploy what is built, with an environment of samconfig.toml; gives the exit status."""
    parameters = overrides(CONFIG, environment)
    parameters[NAME] = release(BUILT, parameters)
    # The SAM CLI takes a value with blanks in quotes.
    pairs = [f'{n}="{v}"' if " " in v else f"{n}={v}" for n, v in parameters.items()]
    command = [sam, "deploy", "--config-env", environment, *more, "--parameter-overrides", *pairs]
    environ = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    return subprocess.run(command, env=environ, check=False).returncode  # noqa: S603 — the SAM CLI


def stale(functions: Client, names: list[str]) -> Iterator[str]:
    """The functions whose published version has other settings than the function itself."""
    for name in names:
        now = functions.get_function_configuration(FunctionName=name)
        aliases = functions.list_aliases(FunctionName=name)["Aliases"]
        if ALIAS not in [each["Name"] for each in aliases]:  # the rotation function has none
            continue
        served = functions.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        same = ("Environment", "CodeSha256", "MemorySize", "Timeout", "Role")
        if any(now.get(each) != served.get(each) for each in same):
            yield name


def served(cloudformation: Client, stack: str) -> list[str]:
    """Names of a stack's functions, where it serves from published versions of them."""
    (description,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    given = {each["ParameterKey"]: each["ParameterValue"] for each in description["Parameters"]}
    if given.get("Gradual") != "true":
        return []
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    functions = [r for r in resources if r.get("ResourceType") == "AWS::Lambda::Function"]
    return [each["PhysicalResourceId"] for each in functions]


def check(stack: str, session: Client) -> str | None:
    """What is wrong with what a stack serves, in a sentence; None if nothing is."""
    names = served(session.create_client("cloudformation"), stack)
    old = list(stale(session.create_client("lambda"), names))
    if not old:
        return None
    return (
        f"{', '.join(old)}: the version that serves has other settings than the function. Is the "
        "deployment still going over, or was it taken back? Look at CodeDeploy, and deploy again."
    )


def main(arguments: list[str]) -> None:
    """Take the SAM CLI, the environment, and options for `sam deploy`."""
    sam, environment, *more = arguments
    status = deploy(sam, environment, more)
    if status:
        sys.exit(status)
    read = tomllib.loads(CONFIG.read_text())
    settings = {
        **read.get(environment, {}).get("global", {}).get("parameters", {}),
        **read.get(environment, {}).get("deploy", {}).get("parameters", {}),
    }
    session = botocore.session.Session(profile=settings.get("profile"))
    if "region" in settings:
        session.set_config_variable("region", settings["region"])
    fault = check(settings["stack_name"], session)
    if fault:
        sys.exit(fault)


if __name__ == "__main__":
    main(sys.argv[1:])
