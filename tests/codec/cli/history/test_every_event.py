"""Every kind of event that the SDK knows, with a payload wherever one can be."""

from typing import Any

import pytest
from google.protobuf import json_format  # noqa: TID251 — as exports are written
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from temporal_codec.cli.history.inner import places
from temporal_codec.cli.history.places import State
from temporal_codec.cli.history.system import SystemOperations
from tests.codec.rings import key, plain, sealed

SEALED = sealed(plain(), key(1))
PAYLOAD = Payload(metadata=SEALED.metadata, data=SEALED.data)
KINDS = [each.name for each in HistoryEvent.DESCRIPTOR.fields if each.containing_oneof]
_DEEPEST = 8  # failures have causes, which are failures


def fill(message: Any, depth: int = 0) -> int:
    """Put a payload into each place of a message; returns how many."""
    if isinstance(message, Payload):
        message.CopyFrom(PAYLOAD)
        return 1
    count = 0
    for field in message.DESCRIPTOR.fields if depth < _DEEPEST else ():
        kind, value = field.message_type, getattr(message, field.name)
        is_other = field.containing_oneof and message.WhichOneof(field.containing_oneof.name)
        if kind is None or kind.full_name.startswith("google.") or is_other:
            continue
        if kind.GetOptions().map_entry:
            # The name of a payload's member, too.
            if kind.fields_by_name["value"].message_type is None:
                value["data"] = "text"
            else:
                count += fill(value["data"], depth + 1) + fill(value["metadata"], depth + 1)
        else:
            value = value.add() if field.is_repeated else value
            value.SetInParent()
            count += fill(value, depth + 1)
    return count


@pytest.mark.parametrize("snake", [False, True], ids=["camelCase", "snake_case"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_payload_of_an_event_is_overlooked(kind: str, snake: bool) -> None:
    """Nor is anything else taken for one."""
    event = HistoryEvent(event_id=1)
    count = fill(event.user_metadata)
    attributes = getattr(event, kind)
    attributes.SetInParent()
    count += fill(attributes)
    document = json_format.MessageToDict(event, preserving_proto_field_name=snake)
    found = [place.state for place in places(document, 0, SystemOperations())]
    assert found == [State.ENCRYPTED] * count
