"""Clients of AWS: what is left out of the functions' own changes nothing that they send."""

from datetime import UTC, datetime
from typing import Any

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from temporal_codec import aws
from temporal_codec.aws import Service, make_client

# All that `Service` is asked, by service.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "get_secret_value": ("secretsmanager", {"SecretId": "a/ring", "VersionStage": "AWSCURRENT"}),
    "batch_get_secret_value": ("secretsmanager", {"SecretIdList": ["a/ring", "b/ring"]}),
    "get_parameter": ("ssm", {"Name": "/a/policy"}),
    "decrypt": ("kms", {"KeyId": "alias/a", "CiphertextBlob": b"sealed"}),
    "generate_data_key": ("kms", {"KeyId": "alias/a", "KeySpec": "AES_256"}),
}
# Made up for each request, or told for statistics.
OWN = {"amz-sdk-invocation-id", "amz-sdk-request", "Authorization"}


class _Raw:
    def stream(self, **_options: object) -> list[bytes]:
        return [b"{}"]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "example")
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *_: datetime(2026, 1, 1, tzinfo=UTC)
    )
    aws._plain_session.cache_clear()


def sent(client: Any, operation: str, arguments: dict[str, Any]) -> list[AWSPreparedRequest]:
    """What a client sends, without sending it."""
    requests: list[AWSPreparedRequest] = []

    def keep(request: AWSPreparedRequest, **_more: object) -> AWSResponse:
        requests.append(request)
        return AWSResponse(request.url, 200, {}, _Raw())

    client.meta.events.register("before-send", keep)
    getattr(client, operation)(**arguments)
    return requests


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("operation", ASKED)
def test_a_service_is_sent_what_a_whole_client_sends(operation: str, region: str) -> None:
    """Address, body, and every header that is signed or read."""
    name, arguments = ASKED[operation]
    service = Service(name, region=region)
    (plain,) = sent(service._made(), operation, arguments)
    (whole,) = sent(make_client(name, region=region), operation, arguments)
    assert (plain.method, plain.url, plain.body) == (whole.method, whole.url, whole.body)
    assert {n: v for n, v in plain.headers.items() if n not in OWN} == {
        n: v for n, v in whole.headers.items() if n not in OWN
    }
    shown, expected = (each.headers["Authorization"].split(b", ") for each in (plain, whole))
    assert shown[0] == expected[0]  # the algorithm, and the scope of the credentials
    signed = {*expected[1].partition(b"=")[2].split(b";")}
    assert {*shown[1].partition(b"=")[2].split(b";")} == signed - {b"amz-sdk-request"}


def test_what_writes_has_a_token_of_its_own() -> None:
    """A request that is tried again must not write twice."""
    client = make_client("secretsmanager", region="us-east-1")
    (request,) = sent(client, "put_secret_value", {"SecretId": "a", "SecretString": "b"})
    assert b"ClientRequestToken" in request.body


def test_plain_clients_share_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one takes as long as making two clients."""
    made: list[botocore.session.Session] = []
    make = botocore.session.Session

    def counted(**options: Any) -> botocore.session.Session:
        made.append(make(**options))
        return made[-1]

    monkeypatch.setattr(botocore.session, "Session", counted)
    for name in ("secretsmanager", "ssm", "kms", "secretsmanager"):
        Service(name, region="us-east-1")._made()
    assert len(made) == 1
