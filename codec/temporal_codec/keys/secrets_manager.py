"""Key rings from AWS Secrets Manager.

With botocore alone, since boto3 would add import time and nothing else.
Nobody else's module loads it: a server without such a ring never pays for it.
"""

import logging
import threading
import time
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from temporal_codec.errors import KeyringError, KeyringNotFound, KeyringUnavailable
from temporal_codec.keys.keyring import Keyring
from temporal_codec.namespace import place_name

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
PREVIOUS = "AWSPREVIOUS"

ATTEMPTS = 2
# A second attempt starts only before this: with 1 s to connect and 2 s to read, 5 s in all.
_RETRY_BEFORE_SECONDS = 2.0
# botocore alone does not look at AWS_REGION, which AWS's other SDKs do and containers are given.
_REGION = ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)
_TIMEOUTS = {"connect_timeout": 1, "read_timeout": 2}
# At DEBUG these print whole requests and answers, keys included.
_TALKATIVE = ("botocore.parsers", "botocore.endpoint", "botocore.auth", "botocore.hooks")
# Codes of faults that a second attempt a moment later will not heal.
_LASTING = frozenset(
    {
        "AccessDeniedException",
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)


def make_client(service: str = "secretsmanager", **more: object) -> Any:  # noqa: ANN401 — made at run time
    """An AWS client with our deadlines; credentials and region as AWS SDKs find them.

    `more` are further options of botocore's Config.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_not_debug)
    once = {"total_max_attempts": 1, "mode": "standard"}
    config = Config(**{"retries": once, **_TIMEOUTS, **more})
    session = botocore.session.Session(session_vars={"region": _REGION})
    return session.create_client(service, config=config)


def _not_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class SecretsManagerLoader:
    """Loads the ring of a namespace from the secret of that name (a `sources.Loader`)."""

    def __init__(self, name: str, client: Any = None) -> None:  # noqa: ANN401 — see make_client
        """Take a secret's name or ARN; ``{namespace}`` in it stands for the namespace."""
        self._name = name
        self._client = client
        self._lock = threading.Lock()

    def __call__(self, namespace: str) -> Keyring:
        """The ring; raises KeyringNotFound, KeyringUnavailable or KeyringError.

        The faults do not name the secret: the source does, which knows it.
        """
        name = self._name.replace("{namespace}", place_name(namespace))
        return Keyring.from_json(secret_text(self._get(name)))

    def _get(self, name: str) -> dict[str, Any]:
        started = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                # The stage is named: what comes without one is not the same everywhere.
                answer: dict[str, Any] = self._made_client().get_secret_value(
                    SecretId=name, VersionStage=CURRENT
                )
            except ClientError as error:
                code = error_code(error)
                if code == "ResourceNotFoundException":
                    raise KeyringNotFound(f"there is no secret {name}") from None
                fault = KeyringUnavailable(f"{code}{_HINTS.get(code, '')}")
                lasting = code in _LASTING
            except BotoCoreError as error:
                fault = KeyringUnavailable(f"{type(error).__name__}")
                lasting = False
            else:
                return answer
            late = time.monotonic() - started > _RETRY_BEFORE_SECONDS
            if lasting or late or attempt == ATTEMPTS:
                raise fault
        raise AssertionError("the last attempt returns or raises")

    def _made_client(self) -> Any:  # noqa: ANN401 — see make_client
        with self._lock:
            if self._client is None:
                self._client = make_client()
            return self._client


_HINTS = {
    "AccessDeniedException": " (this role may not read it, or not use its KMS key)",
    "InvalidRequestException": " (is it marked for deletion? restore it)",
    "DecryptionFailure": " (its KMS key cannot be used: disabled, or deleted?)",
}


def error_code(error: ClientError) -> str:
    """AWS's name for a fault; its text may quote what was sent, so it is never shown."""
    code = error.response.get("Error", {}).get("Code", "")
    return str(code) if str(code).isalnum() else "unknown fault"


def secret_text(answer: dict[str, Any]) -> bytes:
    """The text of a secret's value; raises KeyringError where it has none."""
    text = answer.get("SecretString")
    if not isinstance(text, str):
        raise KeyringError("it is binary, not a string, or empty")
    return text.encode()
