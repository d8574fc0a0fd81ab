"""What decode and encode share while they start, and the local server's first fetches."""

import gc

gc.disable()  # nothing loaded from here on is garbage: this saves a fifteenth of the cold start

import sys
from collections.abc import Callable, Iterable
from threading import Thread
from typing import TYPE_CHECKING, Any, TextIO

from msgspec.structs import replace

from handlers.access.guard import Guard, make_guard
from handlers.server.app import build_app
from handlers.server.audit import Write, lines_to
from handlers.server.cors import Cors
from handlers.server.status import Caches, with_status
from handlers.settings.environ import Environ
from handlers.settings.server import ServerSettings, server_settings
from temporal_codec.cached import Cached
from temporal_codec.errors import KeyringError
from temporal_codec.keys.sources import MAX_RINGS, open_source

if TYPE_CHECKING:
    from handlers.server.gateway import Handler
    from temporal_codec.keys.keys import Keys
    from temporal_codec.keys.shared import Source


def lambda_function(environ: Environ, *, only: str | None = None) -> "Handler":
    """A Lambda handler that serves the operations of these settings, or one of them alone."""
    # The local server starts without these.
    from aws_lambda_powertools import Logger  # noqa: PLC0415

    from handlers.server.gateway import lambda_handler  # noqa: PLC0415
    from handlers.server.lean_botocore import lean_botocore  # noqa: PLC0415
    from handlers.server.metrics import with_metrics  # noqa: PLC0415

    settings = server_settings(environ)
    served = tuple(each for each in settings.operations if only in {None, each})
    settings = replace(settings, operations=served)
    logger = Logger(service="codec-server")  # writes what handlers.server.asgi logs, as JSON
    write = with_metrics(records_to(sys.stdout, settings), settings.service)
    with lean_botocore():
        source, guard = key_source(settings), make_guard(settings.access)
        needed = caches(source, guard)
        if settings.warms:
            warm(needed.values())
    cors = Cors(settings.cors)
    app = with_status(build_app(settings, source, guard, write), cors, needed)
    handler = lambda_handler(app, cors, write)
    # An event holds a token and payloads, so it is never logged, whatever the environment says.
    return logger.inject_lambda_context(handler, log_event=False)


def records_to(file: TextIO, settings: ServerSettings) -> Write:
    """A function that writes records to this file, and to a second one if the settings name it."""
    if settings.audit_copy is None:
        return lines_to(file)
    from handlers.server.second import with_copy  # noqa: PLC0415 — few servers have it

    return with_copy(lines_to(file), settings.audit_copy)


def collect_garbage_again() -> None:
    """End the start: the collector never looks at what is loaded by now."""
    gc.freeze()
    gc.enable()


def key_source(settings: ServerSettings) -> "Source":
    """Each namespace's keys, with those of the rings that it shares with others."""
    source = _opened("CODEC_KEYRING", settings.keyring, settings.max_rings)
    if not settings.shared_rings:
        return source
    from temporal_codec.keys.shared import SHARED, SharingSource  # noqa: PLC0415 — few need it

    shared: dict[str, list[Keys]] = {}
    for uri, namespaces in settings.shared_rings:
        keys = _opened("CODEC_SHARED_RINGS", uri).keys(SHARED)
        for namespace in namespaces:
            shared.setdefault(namespace, []).append(keys)
    return SharingSource(source, lambda namespace: shared.get(namespace, ()))


def _opened(setting: str, uri: str, at_most: int = MAX_RINGS) -> "Source":
    try:
        return open_source(uri, at_most=at_most)
    except KeyringError as error:
        raise KeyringError(f"{setting}: {error}") from None


def caches(source: "Source", guard: Guard | None) -> Caches:
    """The caches that every request needs, by name: the shared ring, if any, and access."""
    rings = source.caches()
    return {**({"keyring": rings[0]} if rings else {}), **(guard.caches if guard else {})}


def warm(caches: Iterable[Cached[Any]]) -> None:
    """Fetch what every request will need; a failure shows when the value is needed."""
    side_by_side(each.warm for each in caches)


def side_by_side(fetches: Iterable[Callable[[], None]]) -> None:
    """Do all at the same time, and wait for all of them."""
    threads = [Thread(target=each, daemon=True) for each in fetches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
