"""The secret that holds an API key of Temporal Cloud."""

from handlers.access.listed import CloudError
from temporal_codec.arn import region_of
from temporal_codec.aws import AwsError, Service
from temporal_codec.errors import KeyringError
from temporal_codec.keys.secrets_manager import CURRENT, explained, secret_text


class Secret:
    """A secret's text in AWS Secrets Manager, fetched again at each call."""

    def __init__(self, name: str) -> None:
        """Take its name or ARN."""
        self._name = name
        self._service = Service("secretsmanager", region=region_of("secretsmanager", name))

    def __call__(self) -> str:
        """Its current value; raises CloudError, which never quotes it."""
        try:
            answer = self._service.ask(
                "get_secret_value", SecretId=self._name, VersionStage=CURRENT
            )
            return secret_text(answer).decode()
        except AwsError as error:
            raise CloudError(f"{self._name}: {explained(error)}") from None
        except KeyringError as error:
            raise CloudError(f"{self._name}: {error}") from None
