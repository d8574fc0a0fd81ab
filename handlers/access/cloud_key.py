"""The secret that holds an API key of Temporal Cloud."""

from typing import Any

from botocore.exceptions import ClientError

from handlers.access.cloud_ops import CloudError
from temporal_codec.errors import KeyringError
from temporal_codec.keys import secrets_manager


class Secret:
    """A secret's text in AWS Secrets Manager, fetched anew at each call."""

    def __init__(self, name: str) -> None:
        """Take its name or ARN."""
        self._name = name
        self._client: Any = None

    def __call__(self) -> str:
        """Its current value; raises CloudError, which never quotes it, or what botocore raises."""
        if self._client is None:
            self._client = secrets_manager.make_client()
        try:
            answer = self._client.get_secret_value(
                SecretId=self._name, VersionStage=secrets_manager.CURRENT
            )
            return secrets_manager.secret_text(answer).decode()
        except ClientError as error:
            raise CloudError(f"{self._name}: {secrets_manager.error_code(error)}") from None
        except KeyringError as error:
            raise CloudError(f"{self._name}: {error}") from None
