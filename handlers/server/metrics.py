"""CloudWatch metrics, taken from audit records, so that both tell the same."""

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from handlers.server.audit import Record, Write

NAMESPACE = "CodecServer"


def with_metrics(write: Write, service: str) -> Write:
    """Write each record, and print its metrics to stdout in CloudWatch's embedded format.

    The first record is that of a cold start.
    """
    metrics = Metrics(namespace=NAMESPACE, service=service)
    cold_starts = iter((1,))

    def both(record: Record) -> None:
        write(record)
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        for name, count in (*_counts(record), ("ColdStart", next(cold_starts, 0))):
            if count:  # a 0 is not printed, which costs nothing
                metrics.add_metric(name, MetricUnit.Count, count)
        metrics.flush_metrics()
        if record.reason is not None:
            _refused(record.reason, service)

    return both


def _counts(record: Record) -> tuple[tuple[str, int], ...]:
    done = sum(record.keys.values()) if record.outcome == "answered" else 0
    return (
        ("Encoded" if record.operation == "encode" else "Decoded", done),
        ("Undecodable", sum(record.undecoded.values())),
        ("StaleCaches", len(record.stale)),
        ("Refused", record.outcome == "refused"),
        ("Failed", record.outcome == "failed"),
    )


def _refused(reason: str, service: str) -> None:
    with single_metric("NotAnswered", MetricUnit.Count, 1, namespace=NAMESPACE) as metric:
        metric.add_dimension("service", service)
        metric.add_dimension("reason", reason)
