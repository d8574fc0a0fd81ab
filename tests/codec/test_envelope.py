"""Payloads inside the request of a system Nexus operation, such as signal-with-start."""

from collections.abc import Mapping

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest

from temporal_codec import Keyring, PayloadError
from temporal_codec.allowance import Allowance
from temporal_codec.envelope import MARK
from temporal_codec.keys.keys import RingKeys
from temporal_codec.payload import Received
from temporal_codec.pipeline import Opened, Outcome, decode
from temporal_codec.protobuf import parse
from tests.codec.rings import key, plain, sealed

TYPE = SignalWithStartWorkflowExecutionRequest.DESCRIPTOR.full_name.encode()
METADATA = {"encoding": b"binary/protobuf", MARK: b"true", "messageType": TYPE}
KEYS = RingKeys(Keyring([key(1)]))


def message(number: int = 1) -> SignalWithStartWorkflowExecutionRequest:
    """A request with an encrypted payload at each place that may have one."""
    one = payload(number)
    request = SignalWithStartWorkflowExecutionRequest(namespace="default", workflow_id="w")
    request.input.payloads.extend([one, one])
    request.signal_input.payloads.append(one)
    request.memo.fields["m"].CopyFrom(one)
    request.header.fields["h"].CopyFrom(one)
    request.user_metadata.summary.CopyFrom(one)
    request.user_metadata.details.CopyFrom(one)
    request.search_attributes.indexed_fields["s"].CopyFrom(payload(0))
    return request


def payload(number: int) -> Payload:
    """A payload under the key of this number; in plaintext under none."""
    if not number:
        return Payload.FromString(plain())
    content = sealed(plain(), key(number))
    return Payload(metadata=content.metadata, data=content.data)


def decoded(metadata: Mapping[str, bytes], data: bytes) -> Outcome:
    """What decoding this payload gives."""
    return decode([Received(metadata, data)], KEYS)[0]


def test_the_payloads_inside_are_opened() -> None:
    """At every place where a worker's codec encodes; all else stays, field by field."""
    outcome = decoded(METADATA, message().SerializeToString())
    assert isinstance(outcome, Opened)
    opened = parse(outcome.serialized)
    assert dict(opened.metadata) == METADATA
    expected = message(0).SerializeToString(deterministic=True)
    found = SignalWithStartWorkflowExecutionRequest.FromString(opened.data)
    assert found.SerializeToString(deterministic=True) == expected
    assert outcome.keys == ("key-1",) * 7


def test_unknown_fields_stay() -> None:
    """Of a newer SDK; an envelope with nothing encoded in it stays as it is."""
    newer = message().SerializeToString() + b"\xf8\x7f\x01\xf2\x7f\x02hi"
    outcome = decoded(METADATA, newer)
    assert isinstance(outcome, Opened)
    assert parse(outcome.serialized).data.endswith(b"\xf8\x7f\x01\xf2\x7f\x02hi")
    assert decoded(METADATA, message(0).SerializeToString()) is None


def test_one_that_cannot_be_opened_leaves_the_envelope_as_it_is() -> None:
    """Never half of it: it is one undecoded payload, with the reason."""
    request = message()
    request.signal_input.payloads.append(payload(2))
    outcome = decoded(METADATA, request.SerializeToString())
    assert isinstance(outcome, PayloadError)
    assert outcome.reason == "unknown-key"


STRANGERS: dict[str, Mapping[str, bytes]] = {
    "no mark": {**METADATA, MARK: b""},
    "another mark": {**METADATA, MARK: b"TRUE"},
    "another encoding": {**METADATA, "encoding": b"json/protobuf"},
    "another message": {**METADATA, "messageType": TYPE + b"2"},
    "a message of payloads": {**METADATA, "messageType": b"temporal.api.common.v1.Payloads"},
    "no message": {MARK: b"true", "encoding": b"binary/protobuf"},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_payload_that_imitates_the_mark_stays_as_it_is(name: str) -> None:
    assert decoded(STRANGERS[name], message().SerializeToString()) is None


def test_an_envelope_in_an_encrypted_payload_is_not_unwrapped() -> None:
    """Nor one in another envelope: only what the SDK itself writes in plaintext."""
    request = Payload(metadata=METADATA, data=message().SerializeToString())
    content = sealed(request.SerializeToString(), key(1))
    outcome = decoded(content.metadata, content.data)
    assert isinstance(outcome, Opened)
    assert outcome.serialized == request.SerializeToString()
    outer = SignalWithStartWorkflowExecutionRequest()
    outer.input.payloads.append(request)
    assert decoded(METADATA, outer.SerializeToString()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x2a\x05\x0a",
        b"\x2a",
        b"\x2b\x01",
        b"\xff" * 11,
        b"\x2a\x04\x0a\x02\x0a\x09",
        message().SerializeToString()[:-1],
    ],
)
def test_a_malformed_envelope_is_undecodable(data: bytes) -> None:
    outcome = decoded(METADATA, data)
    assert isinstance(outcome, PayloadError)
    assert outcome.reason == "malformed"


def test_many_fields_are_stopped_early() -> None:
    """Two bytes make a field: what a request may hold of them is bounded, all together."""
    allowance = Allowance(fields=20_000)
    payloads = [Received(METADATA, b"\x08\x01" * 1_000_000)] * 20
    outcomes = decode(payloads, KEYS, allowance)
    assert {str(each) for each in outcomes} == {"too-many-fields"}
    assert allowance.fields == -len(payloads)
