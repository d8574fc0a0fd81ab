"""The settings of the local server and of its surroundings, as rows of the table of settings."""

Row = tuple[str, str, str, str, tuple[str, ...]]
"""Name, default, meaning, example and choices: see `handlers.settings.table.Setting`."""

HOSTING: tuple[Row, ...] = (
    (
        "CODEC_AUDIT_COPY",
        "",
        "A file that receives a copy of each audit record.",
        "file:/audit/log",
        (),
    ),
    (
        "HOST",
        "127.0.0.1",
        "The address that the local server listens on.",
        "192.0.2.10",
        (),
    ),
    (
        "PORT",
        "8081",
        "The port that the local server listens on.",
        "8443",
        (),
    ),
    (
        "TLS_CERT",
        "",
        "A certificate in PEM format, with `TLS_KEY`.",
        "/etc/tls/tls.crt",
        (),
    ),
    (
        "TLS_KEY",
        "",
        "The certificate's key file in PEM format.",
        "/etc/tls/tls.key",
        (),
    ),
    (
        "CODEC_TLS",
        "here",
        (
            "Where TLS ends: in this process with `TLS_CERT`, or in a proxy in front. "
            "`terminated` allows a `HOST` beyond loopback without a certificate."
        ),
        "terminated",
        ("here", "terminated"),
    ),
    (
        "CODEC_TRUSTED_PROXIES",
        "",
        (
            "The addresses and networks of your proxies, comma-separated. The audit record "
            "takes the caller's address from `X-Forwarded-For` only if one of them sent it."
        ),
        "10.0.0.0/8",
        (),
    ),
    (
        "CODEC_OPEN",
        "",
        (
            "For a container whose port is published to one machine only: `i-understand` allows a "
            "`HOST` beyond loopback with the development ring and without tokens."
        ),
        "i-understand",
        (),
    ),
    (
        "WORKERS",
        "1",
        "The number of processes that serve requests, at most 64.",
        "4",
        (),
    ),
    (
        "CODEC_METRICS",
        "none",
        (
            "Metrics of the local server: `prometheus` serves `/metrics` on `METRICS_PORT`, `emf` "
            "writes CloudWatch's embedded format to standard output. On Lambda it is always `emf`."
        ),
        "prometheus",
        ("none", "prometheus", "emf"),
    ),
    ("METRICS_PORT", "9464", "The port for `CODEC_METRICS=prometheus`, on `HOST`.", "9100", ()),
    (
        "CODEC_TRACES",
        "none",
        (
            "Traces of the local server: `otlp` sends a span for each request by OTLP over HTTP. "
            "OpenTelemetry's own variables configure it, such as `OTEL_EXPORTER_OTLP_ENDPOINT`."
        ),
        "otlp",
        ("none", "otlp"),
    ),
    (
        "ACCESS_LOG",
        "on",
        "Whether the local server logs one line for each request to standard error.",
        "off",
        ("on", "off"),
    ),
)
