"""Our store of an issuer's keys beside PyJWT's own client, PyJWKClient, while the issuer fails."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import jwt

from handlers.access.documents import https_document
from handlers.access.jwks import LIFE, issuer_keys
from tests.rigs.issuer import Issuer, issuer

Lookup = Callable[[str], object]
Ageing = Callable[[], None]
Store = Callable[[Issuer], tuple[Lookup, Ageing]]

KNOWN = "key-1"
CALLS = 50


def theirs(server: Issuer) -> tuple[Lookup, Ageing]:
    """PyJWKClient, whose cache and cooldown last a second here, and its timeout 0.5 s."""
    address = f"{server.url}/jwks.json"
    client = jwt.PyJWKClient(address, lifespan=1, timeout=0.5, cooldown_duration=1)
    return client.get_signing_key, lambda: time.sleep(1.1)


def ours(server: Issuer) -> tuple[Lookup, Ageing]:
    """Our store, on a clock that can be put forward."""
    ahead = [0.0]
    clock = SimpleNamespace(
        time=lambda: time.time() + ahead[0], monotonic=lambda: time.monotonic() + ahead[0]
    )

    def age() -> None:
        ahead[0] += LIFE.fresh

    store = issuer_keys(https_document(f"{server.url}/jwks.json"), clock)
    return lambda kid: asyncio.run(store.key(kid)), age


def _found(lookup: Lookup, kid: str = KNOWN) -> bool:
    try:
        return lookup(kid) is not None
    except Exception:  # noqa: BLE001 — whatever it is, there is no key
        return False


def _seconds(lookup: Lookup) -> float:
    start = time.perf_counter()
    _found(lookup)
    return time.perf_counter() - start


def trickle(server: Issuer, store: Store) -> str:
    """How long a caller is held by a server that sends a byte now and then."""
    lookup, _ = store(server)
    server.fault = "trickle"
    return f"{_seconds(lookup):.1f} s"


def outage(server: Issuer, store: Store) -> str:
    """How many callers with a known key are served when what is held has become old."""
    lookup, age = store(server)
    _found(lookup)
    age()
    server.fault = "500"
    return f"{sum(_found(lookup) for _ in range(CALLS))} of {CALLS}"


def unknown(server: Issuer, store: Store) -> str:
    """How often the issuer is asked for unknown ids while it is down."""
    lookup, age = store(server)
    _found(lookup)
    age()
    server.fault, server.fetches = "500", 0
    for number in range(CALLS):
        _found(lookup, f"unknown-{number}")
    return str(server.fetches)


def hanging(server: Issuer, store: Store) -> str:
    """How long callers with a known key wait while somebody else's refresh hangs."""
    lookup, age = store(server)
    _found(lookup)
    age()
    server.fault = "hang"
    with ThreadPoolExecutor(9) as pool:
        pool.submit(_seconds, lookup)
        time.sleep(0.1)
        waits = [each.result() for each in [pool.submit(_seconds, lookup) for _ in range(8)]]
    return f"{max(waits) * 1000:.1f} ms"


FAULTS = {
    "one byte every 0.3 s: a caller is held for": trickle,
    "500 for an hour: known keys are found for": outage,
    "50 unknown ids while it is down: it is asked, times": unknown,
    "a refresh hangs: eight others wait, at most": hanging,
}


def table() -> str:
    """Each fault, and what comes of it with either."""
    lines = ["| the issuer | PyJWKClient | ours |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder, issuer(Path(folder)) as server:
        os.environ["SSL_CERT_FILE"] = str(server.certificate)
        for name, fault in FAULTS.items():
            found = []
            for store in (theirs, ours):
                server.fault = ""
                found.append(fault(server, store))
            lines.append(f"| {name} | {' | '.join(found)} |")
    return "\n".join(lines)
