"""The Codec Server on a laptop or in a container: the same app under uvicorn."""

import os
import sys
from collections.abc import Callable

from handlers.access.guard import make_guard
from handlers.server import console, listen
from handlers.server.app import build_app
from handlers.server.asgi import App
from handlers.server.audit import Write, discard
from handlers.server.cors import Cors
from handlers.server.lines import whole_lines
from handlers.server.status import with_status
from handlers.settings.environ import SettingsError
from handlers.settings.local import LocalSettings, local_settings
from handlers.settings.server import ServerSettings, server_settings
from handlers.startup import caches, collect_garbage_again, key_source, records_to, warm
from temporal_codec.errors import KeyringError

Counted = Callable[[Write], Write]


def _uncounted(write: Write) -> Write:
    return write


def main() -> None:
    """Serve until interrupted; a wrong setting ends it at once with an error message."""
    try:
        local, settings = local_settings(os.environ), server_settings(os.environ)
        counted, metrics = _metrics(local)
        app = _app(local, settings, counted)
        listen.check(local)
    except (SettingsError, KeyringError) as error:
        sys.exit(f"codec-server: {error}")
    console.show(console.banner(local, settings))
    listen.serve(app if local.workers == 1 else "handlers.local:worker", local, metrics)


def worker() -> App:
    """The app of one of many processes."""
    return _app(local_settings(os.environ), server_settings(os.environ))


def _app(local: LocalSettings, settings: ServerSettings, counted: Counted = _uncounted) -> App:
    source, guard = key_source(settings), make_guard(settings.access)
    needed = caches(source, guard)
    warm(needed.values())
    if sys.stdout:  # it is None if it was closed at start
        sys.stdout = whole_lines(sys.stdout, shared=local.workers > 1)
    # Without tokens, there is no caller to record.
    write = records_to(sys.stdout, settings) if settings.access else discard
    write = counted(write)
    if local.emf:
        from handlers.server.metrics import with_metrics  # noqa: PLC0415 — few servers have it on

        write = with_metrics(write, settings.service)
    write = console.with_lines(write) if local.access_log else write
    console.logs_to_stderr()
    console.warn(settings, needed, source.keys(settings.default_namespace or "default"))
    collect_garbage_again()
    app = with_status(build_app(settings, source, guard, write), Cors(settings.cors), needed)
    return _traced(app) if local.traces else app


def _traced(app: App) -> App:
    try:
        from handlers.server.traces import with_traces  # noqa: PLC0415 — few servers have it on
    except ImportError:
        raise SettingsError(
            "CODEC_TRACES=otlp requires the packages of the group `traces` in pyproject.toml: "
            "install them, or build the image with --build-arg TRACES=yes"
        ) from None
    return with_traces(app)


def _metrics(local: LocalSettings) -> tuple[Counted, App | None]:
    if local.metrics_port is None:
        return _uncounted, None
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 — few servers have it on

    from handlers.server.prometheus import metrics_app, with_prometheus  # noqa: PLC0415

    registry = CollectorRegistry()
    return lambda write: with_prometheus(write, registry), metrics_app(registry)


if __name__ == "__main__":
    main()
