"""How often keys sealed, as the functions count it in CloudWatch."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

_METRIC = {"Namespace": "CodecServer", "MetricName": "Sealed"}
_KEPT = timedelta(days=455)  # CloudWatch deletes what is older
_DAY = 24 * 60 * 60


def sealed_in(
    cloudwatch: Any,  # noqa: ANN401 — see make_client
    labels: Collection[str],
    now: datetime,
) -> dict[str, int]:
    """Seals of these keys, of all stacks; of those that sealed in the last two weeks.

    Raises what botocore raises.
    """
    pages = cloudwatch.get_paginator("list_metrics").paginate(**_METRIC)
    listed = [dict(map(_pair, each["Dimensions"])) for page in pages for each in page["Metrics"]]
    counts = Counter[str]()
    for service, key in {(each.get("service"), each.get("key")) for each in listed}:
        if service is not None and key is not None and key in labels:
            answer = cloudwatch.get_metric_statistics(
                **_METRIC,
                Dimensions=[{"Name": "service", "Value": service}, {"Name": "key", "Value": key}],
                StartTime=now - _KEPT,
                EndTime=now + timedelta(days=1),
                Period=_DAY,
                Statistics=["Sum"],
            )
            counts[key] += round(sum(day["Sum"] for day in answer["Datapoints"]))
    return dict(counts)


def _pair(dimension: dict[str, str]) -> tuple[str, str]:
    return dimension["Name"], dimension["Value"]
