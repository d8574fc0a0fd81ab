"""AWS services, asked within a deadline: the one place where clients are made.

With botocore alone, since boto3 would add import time and nothing else.
A module that needs AWS imports this one when the first request needs it: without it, a server
never loads botocore.
"""

import logging
import random
import threading
import time
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A further attempt starts only before this: with 1 s to connect and 2 s to read, 5 s in all.
_RETRY_BEFORE_SECONDS = 2.0
_ATTEMPTS = 2
# botocore alone does not look at AWS_REGION, which AWS's other SDKs do and containers are given.
_REGION = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
_TIMEOUTS = {"connect_timeout": 1, "read_timeout": 2}
# A session makes one client at a time; its clients serve all threads.
_making = threading.Lock()
# What `Service` asks these is sent as it is: botocore's 130 special cases, most of them for S3,
# change nothing in it, and take as long to register as two clients take to make.
_PLAIN = frozenset({"kms", "secretsmanager", "ssm"})
# At DEBUG these print whole requests and answers, keys included.
_TALKATIVE = ("botocore.parsers", "botocore.endpoint", "botocore.auth", "botocore.hooks")
# Faults that a second attempt will not cure.
_LASTING = frozenset(
    {
        "AccessDeniedException",
        "DisabledException",
        "IncorrectKeyException",
        "InvalidCiphertextException",
        "InvalidKeyUsageException",
        "InvalidParameterException",
        "InvalidRequestException",
        "KMSInvalidStateException",
        "NoSuchKey",
        "NotFoundException",
        "ParameterNotFound",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)
_THROTTLED = frozenset(
    {"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "ThrottledException"}
)
# After AWS throttled a request, the value is requested again this soon.
_THROTTLED_COOLDOWN_SECONDS = 1.0


class AwsError(Exception):
    """AWS did not give an answer; the code is its name for the fault, or botocore's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.cooldown = _THROTTLED_COOLDOWN_SECONDS if code in _THROTTLED else None
        """How soon it may be asked again, in seconds; None leaves that to the cache."""


class Service:
    """An AWS service; its client is made when it is first asked."""

    def __init__(self, name: str, client: Any = None, *, region: str | None = None) -> None:  # noqa: ANN401 — botocore makes it at run time
        self._name = name
        self._client = client
        self._region = region
        self._lock = threading.Lock()

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Its answer; raises AwsError.

        A fault that may pass is tried again once, and throttling as long as there is time.
        """
        try:
            client = self._made()  # on a busy machine this takes longer than an answer
        except BotoCoreError as error:
            raise AwsError(error_code(error)) from None
        started, attempt = time.monotonic(), 1
        while True:
            try:
                answer: dict[str, Any] = getattr(client, operation)(**arguments)
            except (BotoCoreError, ClientError) as error:
                fault = AwsError(error_code(error))
            else:
                return answer
            late = time.monotonic() - started > _RETRY_BEFORE_SECONDS
            throttled = fault.cooldown is not None
            if fault.code in _LASTING or late or (attempt >= _ATTEMPTS and not throttled):
                raise fault
            if throttled:  # at different moments: many functions start at the same time
                time.sleep(random.uniform(0, min(1.0, 0.1 * 2**attempt)))  # noqa: S311
            attempt += 1

    def _made(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._client is None:
                plain = self._name in _PLAIN
                self._client = make_client(self._name, region=self._region, plain=plain)
            return self._client


def make_client(
    service: str, *, region: str | None = None, plain: bool = False, **more: object
) -> Any:  # noqa: ANN401
    """An AWS client with our deadlines; credentials and region as AWS SDKs find them.

    A plain one sends what it is given: no request token is made up, for example. `more` are
    further options of botocore's Config.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_not_debug)
    once = {"total_max_attempts": 1, "mode": "standard"}
    config = Config(**{"retries": once, **_TIMEOUTS, **more})
    with _making:
        session = _plain_session() if plain else _session()
        return session.create_client(service, region_name=region, config=config)


def _session(**options: bool) -> botocore.session.Session:
    return botocore.session.Session(session_vars={"region": _REGION}, **options)


@cache
def _plain_session() -> botocore.session.Session:
    return _session(include_builtin_handlers=False)


def error_code(error: BotoCoreError | ClientError) -> str:
    """The name of a fault; its text may quote what was sent, so it is never shown."""
    if isinstance(error, BotoCoreError):
        return type(error).__name__
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if code.replace(".", "").isalnum() else "unknown fault"


def _not_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
