"""OpenTelemetry's traces: a span for each request, sent to where the `OTEL_` variables say."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from handlers.server.asgi import App
from handlers.server.audit import MAX_TEXT


def with_traces(app: App) -> App:
    """The same app; a span holds a stranger's address and path, cut as in a record."""
    provider = TracerProvider(span_limits=SpanLimits(max_span_attribute_length=MAX_TEXT))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryMiddleware(app, tracer_provider=provider, exclude_spans=["receive", "send"])
