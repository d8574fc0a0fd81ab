"""Objects from S3 over HTTP: one GET each, and which faults may pass."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from temporal_codec.errors import PayloadError, Reason, StorageUnavailable
from temporal_codec.storage.s3 import S3, S3Body
from tests.rigs.s3 import S3Gate, endless, error, reset, s3_gate, silence, watched_trickle


@pytest.fixture(scope="module")
def shared_gate() -> Iterator[S3Gate]:
    with s3_gate(1) as running:  # nothing is behind it: each test says what it answers
        yield running


@pytest.fixture
def gate(shared_gate: S3Gate, monkeypatch: pytest.MonkeyPatch) -> S3Gate:
    shared_gate.asked.clear()
    for name, value in shared_gate.environment.items():
        monkeypatch.setenv(name, value)
    return shared_gate


@pytest.fixture(scope="module")
def s3(shared_gate: S3Gate) -> S3:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_gate.environment.items():
            patch.setenv(name, value)
        return S3()


@pytest.fixture
def hasty(gate: S3Gate) -> S3:
    """One that waits a second, and not two."""
    gate.fault = None
    return S3(read_timeout=1)


def test_an_object_comes_with_one_get(gate: S3Gate, s3: S3) -> None:
    """In pieces, as they come, and with the size that S3 tells."""
    content = b"x" * 200_000
    gate.fault = lambda handler: handler.answer(200, content)
    with closing(s3.open("bucket", "v0/ns/a%2Fb/x")) as body:
        assert body.size == len(content)
        pieces = list(iter(body.read, b""))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 65_536
    assert gate.asked == ["GET /bucket/v0/ns/a%2Fb/x"]


PASSING = [
    *((400, code) for code in ("ExpiredToken", "InvalidToken", "RequestTimeout", "Throttling")),
    *((400, code) for code in ("KMS.ThrottlingException", "TokenRefreshRequired", "SlowDown")),
    *((403, code) for code in ("InvalidAccessKeyId", "RequestExpired", "RequestTimeTooSkewed")),
    (403, "SignatureDoesNotMatch"),
    (429, "Other"),
    (500, "InternalError"),
    (503, "SlowDown"),
]
LASTING = [
    (404, "NoSuchKey", Reason.OBJECT_MISSING),
    (404, "NoSuchBucket", Reason.OBJECT_MISSING),
    (403, "AccessDenied", Reason.OBJECT_DENIED),
    (403, "InvalidObjectState", Reason.OBJECT_DENIED),
    (499, "Other", Reason.OBJECT_DENIED),
]
ELSEWHERE = {"location": "http://127.0.0.1:9/", "x-amz-bucket-region": "us-west-2"}
REDIRECTS = [
    (300, "MultipleChoices"),
    (301, "PermanentRedirect"),
    (307, "TemporaryRedirect"),
    (400, "AuthorizationHeaderMalformed"),
    (400, "IllegalLocationConstraintException"),
]


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_a_fault_that_may_pass_makes_storage_unavailable(
    status: int, code: str, gate: S3Gate, s3: S3
) -> None:
    """S3's own, or of credentials; the error names the code, and never the text."""
    gate.fault = error(status, code)
    with pytest.raises(StorageUnavailable) as caught:
        s3.open("bucket", "key")
    assert str(caught.value) == code
    assert len(gate.asked) == 1


@pytest.mark.parametrize(("status", "code", "reason"), LASTING)
def test_a_fault_that_stays_concerns_the_object(
    status: int, code: str, reason: Reason, gate: S3Gate, s3: S3
) -> None:
    gate.fault = error(status, code)
    with pytest.raises(PayloadError) as caught:
        s3.open("bucket", "key")
    assert caught.value.reason is reason
    assert len(gate.asked) == 1


@pytest.mark.parametrize(("status", "code"), REDIRECTS)
def test_no_answer_leads_elsewhere(status: int, code: str, gate: S3Gate, s3: S3) -> None:
    """Neither to an address nor to a region that it names."""
    gate.fault = error(status, code, ELSEWHERE)
    with pytest.raises(PayloadError) as caught:
        s3.open("bucket", "key")
    assert caught.value.reason is Reason.OBJECT_DENIED
    assert len(gate.asked) == 1


def test_a_fault_without_a_code_is_one_of_the_moment(gate: S3Gate, s3: S3) -> None:
    """Something in between answered."""
    gate.fault = lambda handler: handler.answer(502, b"<html>")
    with pytest.raises(StorageUnavailable):
        s3.open("bucket", "key")


@pytest.mark.parametrize("fault", [reset, silence, endless], ids=["reset", "silence", "endless"])
def test_no_answer_in_time_or_none_that_tells_a_size(fault: Any, gate: S3Gate, hasty: S3) -> None:
    gate.fault = fault
    with pytest.raises(StorageUnavailable):
        hasty.open("bucket", "key")


def test_an_answer_without_a_size_is_not_listened_to() -> None:
    """Its connection is closed at once."""

    class Stream:
        closed = False

        def close(self) -> None:
            self.closed = True

    stream = Stream()
    with pytest.raises(StorageUnavailable, match="content-length"):
        S3Body({"Body": stream})
    assert stream.closed


def test_an_object_that_stops_coming_is_a_fault_of_the_moment(gate: S3Gate, hasty: S3) -> None:
    """The connection is open, and silent."""

    def stopping(handler: Any) -> None:
        handler.answer(200, b"x", declared=1000)
        silence(handler)

    gate.fault = stopping
    with closing(hasty.open("bucket", "key")) as body:
        assert body.read() == b"x"
        with pytest.raises(StorageUnavailable):
            body.read()


def test_what_is_closed_is_hung_up(gate: S3Gate, s3: S3) -> None:
    """S3 would go on; and a piece is there as soon as something came."""
    gate.fault, hung_up = watched_trickle()
    with closing(s3.open("bucket", "key")) as body:
        assert set(body.read()) == set(b"x")
    assert hung_up.wait(10)


def test_no_client_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region, for example: mending the settings heals it."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(StorageUnavailable, match="ProfileNotFound"):
        S3()


def test_no_credentials_are_an_outage(
    gate: S3Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Security Token Service refuses to give them: that is no word of S3 about an object."""
    (tmp_path / "token").write_text("token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/codec")
    refusal = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    gate.fault = lambda handler: handler.answer(403, refusal)
    with pytest.raises(StorageUnavailable, match="AccessDenied"):
        S3().open("bucket", "key")
