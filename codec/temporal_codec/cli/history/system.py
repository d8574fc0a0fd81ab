"""System Nexus operations of a history, such as a workflow's signal-with-start."""

from typing import Any

ENDPOINT = "__temporal_system"
_SCHEDULED = (
    "nexusOperationScheduledEventAttributes",
    "nexus_operation_scheduled_event_attributes",
)
_COMPLETED = (
    "nexusOperationCompletedEventAttributes",
    "nexus_operation_completed_event_attributes",
)


class SystemOperations:
    """Knows which operations of one history are Temporal's own.

    Only their input and result are envelopes. A payload elsewhere is the user's, whatever its
    metadata says.
    """

    def __init__(self) -> None:
        self._scheduled: set[str] = set()

    def envelope_of(self, event: dict[str, Any]) -> Any:  # noqa: ANN401 — JSON
        """The envelope in an event, if it has one."""
        scheduled = _first(event, _SCHEDULED)
        if scheduled.get("endpoint") == ENDPOINT:
            self._scheduled.add(str(event.get("eventId", event.get("event_id"))))
            return scheduled.get("input")
        completed = _first(event, _COMPLETED)
        of = completed.get("scheduledEventId", completed.get("scheduled_event_id"))
        return completed.get("result") if str(of) in self._scheduled else None


def _first(event: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = (event[name] for name in names if isinstance(event.get(name), dict))
    return next(found, {})
