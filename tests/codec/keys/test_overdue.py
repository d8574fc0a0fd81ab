"""Which rings' rotation is overdue."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from temporal_codec.keys.overdue import overdue

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:rotation"


def secret(**changes: Any) -> dict[str, Any]:
    return {
        "Name": "temporal-codec/orders",
        "CreatedDate": NOW - timedelta(days=400),
        "LastRotatedDate": NOW - timedelta(days=89),
        "RotationEnabled": True,
        "RotationRules": {"AutomaticallyAfterDays": 90},
        "RotationLambdaARN": FUNCTION,
        **changes,
    }


class Secrets:
    """Secrets Manager, as far as it lists and describes."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)

    def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803
        return next(e for page in self.pages for e in page if e["Name"] == SecretId)

    def list_secrets(
        self,
        Filters: list[Any],  # noqa: N803
        MaxResults: int,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        assert Filters == [{"Key": "name", "Values": ["temporal-codec/"]}]
        assert MaxResults == 100
        number = int(NextToken)
        more = {"NextToken": str(number + 1)} if number + 1 < len(self.pages) else {}
        return {"SecretList": self.pages[number], **more}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"LastRotatedDate": NOW - timedelta(days=92)}, None),
        ({"LastRotatedDate": NOW - timedelta(days=93)}, "last rotated on 2026-02-28"),
        ({"RotationRules": {"AutomaticallyAfterDays": 30}}, "last rotated on"),
        ({"RotationEnabled": False}, "switched off"),
        ({"LastRotatedDate": None}, "never rotated"),
        ({"LastRotatedDate": None, "CreatedDate": NOW - timedelta(hours=30)}, None),
    ],
)
def test_a_ring_is_overdue_two_days_after_its_time(changes: dict[str, Any], why: str) -> None:
    """One that was never rotated, two days after it was made."""
    client = Secrets([secret(**changes)])
    found = list(overdue(client, "temporal-codec/orders", FUNCTION, NOW))
    assert [name for name, _ in found] == (["temporal-codec/orders"] if why else [])
    assert all(why in told for _, told in found)


def test_all_rings_of_a_function_are_looked_at_on_every_page() -> None:
    """Another stack's rings are that stack's."""
    late = {"LastRotatedDate": NOW - timedelta(days=300)}
    client = Secrets(
        [secret(), secret(Name="temporal-codec/a", **late)],
        [secret(Name="temporal-codec/other", **late, RotationLambdaARN=f"{FUNCTION}-other")],
        [secret(Name="temporal-codec/b", **late)],
    )
    found = [name for name, _ in overdue(client, "", FUNCTION, NOW)]
    assert found == ["temporal-codec/a", "temporal-codec/b"]
