"""An AWS account whose CloudFormation really runs the stack: see cloudformation_server.py.

Functions run, HTTP APIs route, rotation calls its function, and IAM is enforced.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.rigs.issuer import Issuer, issuer
from tests.rigs.lambda_runtime import interpreter
from tests.rigs.processes import ROOT, Running, clean_environment, free_port, listens, running
from tests.rigs.sam import SAM_PYTHON, make

PYTHON = ROOT / ".tools/cloudformation/bin/python"
REGION, OTHER_REGION = "us-east-1", "eu-west-1"
Json = dict[str, Any]


@dataclass
class Account:
    """An account, and what an operator types in it."""

    port: int
    folder: Path
    server: Running
    issuer: Issuer | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Credentials and endpoint, as every AWS tool reads them."""
        self.environment |= {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    @property
    def trust(self) -> dict[str, str]:
        """Parameters that make a stack trust the account's issuer, for @example.com to decode."""
        assert self.issuer
        settings = self.issuer.settings()
        names = {"Issuer": "CODEC_ISSUER", "JwksUrl": "CODEC_JWKS_URL"}
        names |= {"Audiences": "CODEC_AUDIENCES", "EmailClaim": "CODEC_EMAIL_CLAIM"}
        given = {name: settings[setting] for name, setting in names.items()}
        return {**given, "Readers": "*@example.com"}

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of a service."""
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        wait = Config(read_timeout=300, retries={"total_max_attempts": 1})
        return session.create_client(
            service, region_name=region, endpoint_url=self.url, config=wait
        )

    def run(
        self, *command: str | Path, typed: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the documentation in the account's folder."""
        return subprocess.run(
            list(command),
            cwd=self.folder,
            env=clean_environment({**self.environment, **more}),
            input=typed,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def sam(self, *arguments: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the SAM CLI."""
        return self.run(SAM_PYTHON.with_name("sam"), *arguments, typed=typed)

    def forbid(self, kind: str) -> None:
        """Let no resource of this type be created from now on; "" allows all again."""
        (self.folder / "fail").write_text(kind)

    def deploy(
        self,
        stack: str,
        parameters: Mapping[str, str] | None = None,
        *,
        template: str | None = None,
        region: str = REGION,
        tags: Mapping[str, str] | None = None,
        forget: bool = False,
    ) -> str:
        """Create or update a stack as CloudFormation does for `sam deploy`; give its status.

        Parameters that are not given keep their value; with `forget` they take their default.
        """
        body = template or packaged(self, region)
        declared = set(
            re.findall(r"^  (\w+):\n    Type: (?:String|Number|Comma)", body, re.MULTILINE)
        )
        formation = self.client("cloudformation", region)
        try:
            (before,) = formation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError:
            before = None
        given = dict(parameters or {})
        kept = {p["ParameterKey"] for p in (before or {}).get("Parameters", [])} & declared
        pairs: list[Json] = [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]
        if not forget:
            pairs += [{"ParameterKey": k, "UsePreviousValue": True} for k in kept - given.keys()]
        call = formation.update_stack if before else formation.create_stack
        call(
            StackName=stack,
            TemplateURL=self._uploaded(body),
            Parameters=pairs,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": k, "Value": v} for k, v in (tags or {}).items()],
        )
        return self.settled(stack, region)

    def package(self, template: Path, region: str = REGION) -> str:
        """A template as `sam package` leaves it, whose functions are those that were built."""
        done = subprocess.run(
            [
                *(SAM_PYTHON.with_name("sam"), "package", "--template-file", template),
                *("--resolve-s3", "--region", region),
            ],
            cwd=ROOT,
            env=clean_environment({**self.environment, "AWS_DEFAULT_REGION": region}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout[done.stdout.index("AWSTemplateFormatVersion") :]

    def _uploaded(self, template: str) -> str:
        # CloudFormation takes 51,200 bytes in a call, and more from a bucket.
        objects = self.client("s3")
        objects.create_bucket(Bucket="templates")
        objects.put_object(Bucket="templates", Key="template", Body=template.encode())
        return f"{self.url}/templates/template"

    def settled(self, stack: str, region: str = REGION) -> str:
        """The status of a stack once nothing moves any more."""
        formation = self.client("cloudformation", region)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            try:
                (found,) = formation.describe_stacks(StackName=stack)["Stacks"]
            except ClientError:
                return "DELETE_COMPLETE"
            status: str = found["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(0.3)
        raise TimeoutError(self.why(stack, region))

    def why(self, stack: str, region: str = REGION) -> list[str]:
        """What failed in a stack's last deployment."""
        events = self.client("cloudformation", region).describe_stack_events(StackName=stack)
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events["StackEvents"]
            if "FAILED" in each["ResourceStatus"]
        ]

    def delete(self, stack: str, region: str = REGION) -> None:
        """Delete a stack, as `sam delete` does."""
        self.client("cloudformation", region).delete_stack(StackName=stack)
        assert self.settled(stack, region) == "DELETE_COMPLETE", self.why(stack, region)

    def outputs(self, stack: str, region: str = REGION) -> dict[str, str]:
        """A stack's outputs."""
        told = self.client("cloudformation", region).describe_stacks(StackName=stack)
        return {o["OutputKey"]: o["OutputValue"] for o in told["Stacks"][0].get("Outputs", [])}

    def resources(self, stack: str, region: str = REGION) -> dict[str, str]:
        """The physical name of each resource of a stack."""
        told = self.client("cloudformation", region).describe_stack_resources(StackName=stack)
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in told["StackResources"]}

    def ring(self, secret: str, keys: int = 1, region: str = REGION) -> list[Json]:
        """The keys of a ring, once it has as many as this."""
        secrets = self.client("secretsmanager", region)
        found: list[Json] = []
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            told = secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
            found = json.loads(told["SecretString"])["keys"]
            if len(found) >= keys:
                return found
            time.sleep(0.3)
        raise TimeoutError(f"{secret} has {len(found)} keys: {self.server.log()[-3000:]}")

    def rotated(self, secrets: list[str], region: str = REGION) -> None:
        """Wait until the last of the four steps of each rotation is done."""
        client = self.client("secretsmanager", region)
        deadline = time.monotonic() + 90
        while not all("LastRotatedDate" in client.describe_secret(SecretId=s) for s in secrets):
            assert time.monotonic() < deadline, self.server.log()[-3000:]
            time.sleep(0.3)

    def rotate(self, secret: str) -> None:
        """Rotate a secret, and wait until that has come to an end, good or bad."""
        said = re.compile(rf"rotation {secret} (finishSecret ok|\w+ (?!ok))")
        before = len(said.findall(self.server.log()))
        self.client("secretsmanager").rotate_secret(SecretId=secret)
        deadline = time.monotonic() + 60
        while len(said.findall(self.server.log())) == before:
            assert time.monotonic() < deadline, self.server.log()[-3000:]
            time.sleep(0.2)

    def call(
        self,
        stack: str,
        path: str,
        body: Any = None,
        method: str = "POST",
        region: str = REGION,
        **headers: str,
    ) -> httpx.Response:
        """Send a request to a stack's endpoint."""
        endpoint = self.outputs(stack, region)["Endpoint"]
        host = endpoint.removeprefix("https://").split(".")[0] + ".execute-api.localhost"
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return httpx.request(
            method,
            self.url + path,
            headers={"Host": host, "Content-Type": "application/json", **named},
            content=None if body is None else json.dumps(body),
            timeout=60,
            trust_env=False,
        )

    def call_rest(self, api: str, path: str, method: str, **headers: str) -> httpx.Response:
        """Send an empty request to a REST API; its stage is part of the path."""
        host = f"{api}.execute-api.localhost"
        return httpx.request(
            method, self.url + path, headers={"Host": host, **headers}, timeout=60, trust_env=False
        )


@contextmanager
def account(folder: Path, **settings: str) -> Iterator[Account]:
    """An account of one's own, empty; `settings` reach the functions, too."""
    make("cloudformation")
    make("build")
    port = free_port()
    # The functions are run by the first Python on the PATH that is Lambda's.
    path = f"{Path(interpreter()[0]).parent}:{os.environ['PATH']}"
    environment = clean_environment(
        {
            "GATEWAY_PORT": str(port),
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "FAIL_FILE": str(folder / "fail"),
            "PATH": path,
            "PYTHONPATH": "",
            **settings,
        }
    )
    command = [PYTHON, ROOT / "tests/rigs/cloudformation_server.py"]
    with running(command, lambda: listens(port), environment, folder=folder) as server:
        yield Account(port, folder, server)


@contextmanager
def account_with_issuer(folder: Path) -> Iterator[Account]:
    """An account whose functions reach an issuer of tokens."""
    with (
        issuer(folder) as published,
        account(folder, SSL_CERT_FILE=str(published.certificate)) as made,
    ):
        made.issuer = published
        yield made


_packages: dict[tuple[int, str], str] = {}


def packaged(account: Account, region: str = REGION) -> str:
    """The template as `sam package` leaves it, with the built functions uploaded to a region."""
    if (account.port, region) not in _packages:
        built = ROOT / ".aws-sam" / "build" / "template.yaml"
        _packages[account.port, region] = account.package(built, region)
    return _packages[account.port, region]
