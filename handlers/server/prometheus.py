"""Metrics for Prometheus, taken from audit records, so that both say the same.

No label holds a stranger's text: operations, outcomes, statuses and reasons are fixed sets, and
the keys that seal are the rings' own.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

from handlers.server.audit import Record, Write, bounded_labels
from handlers.settings.environ import SettingsError


def with_prometheus(write: Write, registry: CollectorRegistry) -> Write:
    """Write each record, and count it."""
    requests = Counter(
        "codec_requests", "Requests.", ["operation", "outcome", "status"], registry=registry
    )
    refused = Counter(
        "codec_requests_not_answered", "Refused or failed requests.", ["reason"], registry=registry
    )
    payloads = Counter("codec_payloads", "Payloads received.", ["operation"], registry=registry)
    undecoded = Counter(
        "codec_undecoded_payloads", "Payloads returned unchanged.", ["reason"], registry=registry
    )
    sealed = Counter(
        "codec_sealed_payloads", "Payloads that a key encrypted.", ["key"], registry=registry
    )
    label = bounded_labels()
    foreign = Counter(
        "codec_foreign_payloads", "Payloads of other systems.", ["format"], registry=registry
    )
    stale = Counter("codec_stale_caches", "Uses of a stale cache.", ["cache"], registry=registry)
    seconds = Histogram(
        "codec_request_duration_seconds", "Time to answer.", ["operation"], registry=registry
    )

    def both(record: Record) -> None:
        write(record)
        operation = record.operation or "none"
        requests.labels(operation, record.outcome, str(record.status)).inc()
        seconds.labels(operation).observe(record.duration_ms / 1000)
        payloads.labels(operation).inc(record.payloads)
        if record.reason is not None:
            refused.labels(record.reason).inc()
        for key, count in record.sealed.items():
            sealed.labels(label(key)).inc(count)
        for reason, count in record.undecoded.items():
            undecoded.labels(reason).inc(count)
        for name, count in record.foreign.items():
            foreign.labels(name).inc(count)
        for cache in record.stale:
            stale.labels(cache).inc()

    return both


def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> None:
    """Answer /metrics on this port, in a thread; raises SettingsError if it is taken."""
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            f"METRICS_PORT {port} is taken or not available ({error.strerror}); choose another"
        ) from None
