"""CloudWatch metrics, taken from audit records, so that both report the same."""

from contextlib import suppress

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from handlers.server.audit import Record, Write, bounded_labels

NAMESPACE = "CodecServer"


def with_metrics(write: Write, service: str) -> Write:
    """Write each record, and print its metrics to stdout in CloudWatch's embedded format.

    The first record is that of a cold start.
    """
    metrics = Metrics(namespace=NAMESPACE, service=service)
    cold_starts = iter((1,))
    label = bounded_labels()

    def both(record: Record) -> None:
        write(record)
        # The response is decided already, so that a failing metrics output changes nothing.
        with suppress(OSError, ValueError):
            printed(record)

    def printed(record: Record) -> None:
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        for name, count in (*_counts(record), ("ColdStart", next(cold_starts, 0))):
            if count:  # a 0 is not printed, which costs nothing
                metrics.add_metric(name, MetricUnit.Count, count)
        metrics.flush_metrics()
        for key, count in record.sealed.items():
            _count("Sealed", count, service=service, key=label(key))
        for name, count in record.foreign.items():
            _count("Foreign", count, service=service, format=name)
        if record.reason is not None:
            _count("NotAnswered", 1, service=service, reason=record.reason)

    return both


def _counts(record: Record) -> tuple[tuple[str, int], ...]:
    read = record.outcome == "answered" and record.operation != "encode"
    return (
        ("Encoded", sum(record.sealed.values())),
        ("Decoded", sum(record.keys.values()) if read else 0),
        ("Undecodable", sum(record.undecoded.values())),
        ("StaleCaches", len(record.stale)),
        ("Refused", record.outcome == "refused"),
        ("Failed", record.outcome == "failed"),
    )


def _count(name: str, count: int, **dimensions: str) -> None:
    with single_metric(name, MetricUnit.Count, count, namespace=NAMESPACE) as metric:
        for dimension, value in dimensions.items():
            metric.add_dimension(dimension, value)
