"""Secrets whose rotation is overdue or switched off: such a rotation causes no error."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

GRACE = timedelta(days=2)
"""Secrets Manager rotates within the day that is due, and tries again if that fails."""


def overdue(
    client: Any,  # noqa: ANN401 — botocore makes it
    secret: str,
    function: str,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    """Yield the name of each secret and what is wrong with its rotation.

    Without a secret's name, all that this function rotates are looked at.
    """
    for each in [client.describe_secret(SecretId=secret)] if secret else _all(client, function):
        why = _fault(each, now)
        if why:
            yield each["Name"], why


def _all(client: Any, function: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    page: dict[str, Any] = {}
    while True:
        answer = client.list_secrets(
            Filters=[{"Key": "name", "Values": ["temporal-codec/"]}], MaxResults=100, **page
        )
        yield from (e for e in answer["SecretList"] if e.get("RotationLambdaARN") == function)
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}


def _fault(secret: dict[str, Any], now: datetime) -> str:
    if not secret.get("RotationEnabled"):
        return "rotation is switched off"
    last, days = secret.get("LastRotatedDate"), secret.get("RotationRules", {})
    if last is None:  # it starts with a rotation
        return "it was never rotated" if now > secret["CreatedDate"] + GRACE else ""
    due = last + timedelta(days=days.get("AutomaticallyAfterDays") or 1000) + GRACE
    return f"it was last rotated on {last:%Y-%m-%d}" if now > due else ""
