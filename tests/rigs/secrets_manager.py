"""Secrets Manager over HTTP: moto behind a gate that counts calls and can be told to fail."""

import io
import json
import socket
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import botocore.session
import httpx

from tests.rigs.processes import clean_environment, free_port, listens, running

REGION = "eu-west-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


# The operations that give a value or a key.
_READS = {"GetSecretValue", "GenerateDataKey", "Decrypt"}


class Gate(ThreadingHTTPServer):
    """Hands requests on to moto; `fault` decides what happens to those that read a value."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, moto_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moto_port = moto_port
        self.calls: list[str] = []
        self.fault: str | dict[str, Any] | None = None
        self.open = threading.Event()
        self.open.set()
        self.limits: dict[str, float] = {}
        self.refused: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    @property
    def url(self) -> str:
        """The endpoint to give to AWS SDKs."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def reads(self) -> int:
        """How often a value was asked for."""
        return self.calls.count("GetSecretValue")

    def throttles(self, operation: str) -> bool:
        """Whether this one is too many: `limits` says how many a second are answered."""
        if (limit := self.limits.get(operation)) is None:
            return False
        with self._lock:
            now = time.monotonic()
            left, at = self._left.get(operation, (limit, now))
            left = min(limit, left + (now - at) * limit)
            self._left[operation] = (left - 1 if left >= 1 else left), now
            self.refused[operation] += left < 1
        return left < 1

    def handle_error(self, *_: Any) -> None:
        """A client that gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Gate
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        operation = self.headers.get("x-amz-target", ".").partition(".")[2]
        self.server.calls.append(operation)
        self.server.open.wait(20)
        fault = self.server.fault if operation in _READS else None
        if self.server.throttles(operation):
            self._answer(400, json.dumps({"__type": "ThrottlingException"}).encode())
        elif fault is None:
            self._answer(*self._forward(body))
        elif isinstance(fault, dict):
            self._answer(200, json.dumps({"ARN": "a", "Name": "n", **fault}).encode())
        elif fault == "hang":
            time.sleep(30)
        elif fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "html":
            self._answer(200, b"<html>maintenance</html>")
        else:
            status = 500 if fault == "InternalServiceError" else 400
            self._answer(status, json.dumps({"__type": fault, "message": "no"}).encode())

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.moto_port, timeout=20)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def moto_server() -> Iterator[int]:
    """Run moto; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, lambda: listens(port), clean_environment(CREDENTIALS)):
        yield port


@contextmanager
def gate(moto_port: int) -> Iterator[Gate]:
    """Run a gate in front of moto."""
    server = Gate(moto_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.open.set()
        server.shutdown()
        server.server_close()


def environment(server: Gate) -> dict[str, str]:
    """What makes AWS SDKs use this Secrets Manager."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": server.url}


@cache
def client(moto_port: int, service: str = "secretsmanager") -> Any:
    """A client that goes round every gate, for setting things up."""
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{moto_port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def new_secret(aws: Any, text: str | bytes = b'{"keys":[]}') -> str:
    """Create a secret with this value; gives its name, which nothing else has."""
    name = f"temporal-codec/{uuid4()}"
    aws.create_secret(Name=name, SecretString=text if isinstance(text, str) else text.decode())
    return name


def request_rotation(aws: Any, secret: str) -> str:
    """What Secrets Manager does before it calls the rotation function: gives the new version.

    moto calls a stand-in of a function, which does nothing: the steps are run by the test.
    """
    version = str(uuid4())
    aws.rotate_secret(
        SecretId=secret,
        ClientRequestToken=version,
        RotationLambdaARN=stand_in(urlsplit(aws.meta.endpoint_url).port),
        RotationRules={"AutomaticallyAfterDays": 90},
    )
    return version


@cache
def stand_in(moto_port: int) -> str:
    """The ARN of a function that does nothing."""
    url = f"http://127.0.0.1:{moto_port}"
    httpx.post(f"{url}/moto-api/config", json={"lambda": {"use_docker": False}}, trust_env=False)
    role = client(moto_port, "iam").create_role(
        RoleName=f"rotation-{uuid4()}", AssumeRolePolicyDocument="{}"
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("rotation.py", "")
    made = client(moto_port, "lambda").create_function(
        FunctionName=f"rotation-{uuid4()}",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": archive.getvalue()},
        Handler="rotation.handler",
        Runtime="python3.13",
    )
    return str(made["FunctionArn"])
