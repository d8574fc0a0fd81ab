"""A stack in AWS, as a deployment sees it."""

from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.cli.aws_faults import sentence

ALIAS = "live"
FIRST = "temporal-codec"
Client = Any
# botocore alone does not look at AWS_REGION.
REGION = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)


def told(error: BotoCoreError | ClientError) -> str:
    """An error of AWS in a sentence; what AWS says of a stack holds no secret."""
    return f"{error}." if isinstance(error, ClientError) else sentence(error)


class Stack:
    """One stack, deployed or not yet."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take what samconfig.toml says of it: its name, and perhaps a region and a profile."""
        self.name: str = settings["stack_name"]
        self.session = botocore.session.Session({"region": REGION}, profile=settings.get("profile"))
        if "region" in settings:
            self.session.set_config_variable("region", settings["region"])
        self._formation = self.client("cloudformation")

    def client(self, service: str) -> Client:
        """A client of a service in the stack's region."""
        return self.session.create_client(service)

    def description(self) -> Mapping[str, Any] | None:
        """Its description by CloudFormation; None if there is no such stack."""
        try:
            (found,) = self._formation.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(found)

    def resources(self) -> dict[str, str]:
        """The physical name of each resource."""
        told = self._formation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in told}

    def template(self) -> Any:  # noqa: ANN401 — text, or what botocore reads JSON as
        """The template that was deployed last, with its packages' addresses."""
        return self._formation.get_template(StackName=self.name)["TemplateBody"]

    def delete(self) -> None:
        """Delete it, and wait."""
        self._formation.delete_stack(StackName=self.name)
        self._formation.get_waiter("stack_delete_complete").wait(StackName=self.name)

    @property
    def ring(self) -> str:
        """The name that the template gives to the stack's own ring."""
        return "temporal-codec/default" if self.name == FIRST else f"{FIRST}/{self.name}/default"

    def stale(self) -> Iterator[str]:
        """The functions whose published version has other settings than the function itself."""
        functions = self.client("lambda")
        for logical, name in self.resources().items():
            if not logical.endswith("Function"):
                continue
            aliases = functions.list_aliases(FunctionName=name)["Aliases"]
            if ALIAS not in [each["Name"] for each in aliases]:  # rotation and policy have none
                continue
            now = functions.get_function_configuration(FunctionName=name)
            served = functions.get_function_configuration(FunctionName=name, Qualifier=ALIAS)
            same = ("Environment", "CodeSha256", "MemorySize", "Timeout", "Role")
            if any(now.get(each) != served.get(each) for each in same):
                yield name
