# The Codec Server without Lambda: docs/container.md. `make image` builds it and lists what is in it.
# BASE builds, and needs pip and a shell. RUNTIME runs, and needs the same Python and nothing else.
# Pin both by digest in your own builds.
ARG BASE=docker.io/library/python:3.13-slim-trixie
ARG RUNTIME=${BASE}

FROM ${BASE} AS build
ENV UV_SYSTEM_CERTS=true
WORKDIR /build
COPY tools/uv.txt ./
RUN python3 -m venv /uv \
    && /uv/bin/python -m pip install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement uv.txt
COPY pyproject.toml uv.lock ./
# Any value brings the packages of CODEC_TRACES=otlp.
ARG TRACES=
RUN /uv/bin/uv export --frozen --quiet --no-default-groups --group server --group local \
        ${TRACES:+--group traces} --no-emit-project --output-file requirements.txt \
    && /uv/bin/uv pip install --no-cache --target /app --python "$(command -v python3)" \
        --only-binary :all: --require-hashes --requirement requirements.txt
COPY artifact artifact
COPY codec/temporal_codec /app/temporal_codec
COPY handlers /app/handlers
RUN python3 -m artifact image /app

# hadolint ignore=DL3006
FROM ${RUNTIME}
LABEL org.opencontainers.image.title="temporal-codec-server" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /app /app
# Nothing is written: run it with a read-only root file system.
ENV HOST=0.0.0.0 PORT=8081 PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8081
USER 65532:65532
ENTRYPOINT ["python3", "-m", "handlers.local"]
