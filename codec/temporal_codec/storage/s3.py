"""Objects from Amazon S3, one GET each, with botocore alone.

It sends no other request: no list, no head, no other region, no address from a response.
No other module imports it, so a server without references does not pay for it.
"""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from temporal_codec.aws import error_code, make_client
from temporal_codec.errors import PayloadError, Reason, StorageUnavailable

_PIECE_BYTES = 65_536
# Faults of the moment, or of our own credentials, which S3 reports with a 4xx.
_PASSING = frozenset(
    {
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "KMS.ThrottlingException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "TokenRefreshRequired",
    }
)


class S3:
    """The objects that this process's role may read (a `fetch.Objects`)."""

    def __init__(self, **more: Any) -> None:  # noqa: ANN401 — they are botocore's
        """Take options of botocore's Config, such as other deadlines.

        Raises StorageUnavailable if no client can be made.
        """
        # The whole object is verified against its SHA-256, so S3's own checksums add nothing.
        more = {"response_checksum_validation": "when_required", **more}
        try:
            client = make_client("s3", **more)
        except BotoCoreError as error:
            raise StorageUnavailable(type(error).__name__) from None
        client.meta.events.register_first("needs-retry.s3.GetObject", _final)
        self._client = client

    def open(self, bucket: str, key: str) -> "S3Body":
        """Ask for an object; see `fetch.Objects`."""
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise _fault(error) from None
        except BotoCoreError as error:
            raise StorageUnavailable(type(error).__name__) from None
        return S3Body(answer)


class S3Body:
    """An object on its way (a `fetch.Body`)."""

    def __init__(self, answer: dict[str, Any]) -> None:
        # S3 always sends it; if it is missing, something in between answered.
        size = answer.get("ContentLength")
        if not isinstance(size, int):
            answer["Body"].close()
            raise StorageUnavailable("no content-length")
        self.size: int = size
        # What the stream is made of: the stream itself waits until it has all that it was asked
        # for, and a sender of one byte a second would hold it for hours.
        self._raw = answer["Body"].__enter__()

    def read(self) -> bytes:
        """The bytes that have arrived so far; see `fetch.Body`."""
        try:
            piece: bytes = self._raw.read1(_PIECE_BYTES)
        except HTTPError as error:
            raise StorageUnavailable(type(error).__name__) from None
        return piece

    def close(self) -> None:
        """Close the connection, and drop what is still in transit."""
        self._raw.close()


def _final(response: tuple[Any, dict[str, Any]] | None, operation: Any, **_: object) -> None:  # noqa: ANN401
    # An error ends it here, before botocore's handlers see it: one of them would follow an answer
    # that names another region to an endpoint there.
    if response is not None and response[0].status_code >= 300:
        raise ClientError(response[1], operation.name)


def _fault(error: ClientError) -> PayloadError | StorageUnavailable:
    code, status = error_code(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    if error.operation_name != "GetObject":  # what gives our credentials says no, whatever it says
        return StorageUnavailable(code)
    if status == 404:
        return PayloadError(Reason.OBJECT_MISSING)
    if status >= 500 or status == 429 or code in _PASSING:
        return StorageUnavailable(code)
    # Without permission to list the bucket, S3 answers "denied" for a missing object too.
    return PayloadError(Reason.OBJECT_DENIED)
