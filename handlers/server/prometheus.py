"""Metrics for Prometheus, taken from audit records, so that both say the same.

No label holds a stranger's text: operations, outcomes, statuses and reasons are fixed sets, and
the keys that seal are the rings' own.
"""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)

from handlers.server.asgi import App, Send
from handlers.server.audit import Record, Write, bounded_labels
from handlers.server.request import Receive, Scope


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


def metrics_app(registry: CollectorRegistry) -> App:
    """What answers each request with the metrics."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        body = generate_latest(registry)
        fields = [
            (b"content-type", CONTENT_TYPE_LATEST.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return app
