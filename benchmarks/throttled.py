"""`make bench SUITE=burst`, its other half: a hundred starts against 40 reads a second.

A hundred environments start at the same time, and each reads the policy's parameter.
Each has what an environment has to itself: caches, the event, and a start that fetches what every
request needs. They are threads of one process, since a hundred processes would start one after
another on this machine; each waits before it reads, until all are there.
"""

import asyncio
import os
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import patch

from benchmarks import page
from benchmarks.cases import Case
from benchmarks.cold_contestants import ORIGIN
from benchmarks.cold_start import surroundings_with_gate
from tests.rigs.issuer import token
from tests.rigs.lambda_events import Request, http_api
from tests.rigs.secrets_manager import Gate

AT_ONCE = 100
PER_SECOND = 40.0
"""Parameter Store's limit for an account and region, unless it is raised."""


class Context:
    """What Powertools asks of a Lambda context."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "benchmark"


@dataclass(frozen=True)
class Stampede:
    """What came of it."""

    statuses: Counter[int]
    refused: int
    """Reads that were one too many."""
    longest: float
    """Seconds until the last answer."""

    @property
    def told(self) -> str:
        """In a sentence."""
        failed = sum(count for status, count in self.statuses.items() if status != 200)
        return (
            f"{sum(self.statuses.values())} environments that start at the same time, against "
            f"{PER_SECOND:.0f} reads of parameters a second: {self.refused} reads are refused, "
            f"**{failed} requests fail**, and the last answer comes after {self.longest:.1f} s."
        )


def stampede(settings: Mapping[str, str], door: Gate, at_once: int = AT_ONCE) -> Stampede:
    """Start so many environments at once, and ask each once."""
    with patch.dict(os.environ, settings):
        from handlers import startup  # noqa: PLC0415 — it reads nothing, but its clients do
        from temporal_codec import aws  # noqa: PLC0415

        made = cache(aws.make_client)
        for service in ("ssm", "secretsmanager"):
            made(service, region=None)
        headers = {"content-type": "application/json", "x-namespace": "default", "origin": ORIGIN}
        headers["authorization"] = f"Bearer {token()}"
        event = http_api(Request("POST", "/decode", headers, Case("", 1, 200, 1).sealed()))
        barrier, waiting, ask = Barrier(at_once), iter(range(at_once)), aws.Service.ask
        began = 0.0

        def asked(service: aws.Service, operation: str, **arguments: object) -> dict[str, Any]:
            nonlocal began
            if operation == "get_parameter" and next(waiting, None) is not None:
                barrier.wait(60)
                began = began or time.perf_counter()
            return ask(service, operation, **arguments)

        def start(_: int) -> tuple[int, float]:
            asyncio.set_event_loop(asyncio.new_event_loop())
            with closing(asyncio.get_event_loop()):
                answer = startup.lambda_function(settings)(event, Context())
            return int(answer["statusCode"]), time.perf_counter()

        door.limits["GetParameter"] = PER_SECOND
        door.refused.clear()
        with (
            patch.object(aws, "make_client", made),
            patch.object(aws.Service, "ask", asked),
            redirect_stdout(StringIO()),
            ThreadPoolExecutor(at_once) as pool,
        ):
            found = list(pool.map(start, range(at_once)))
        for service in ("ssm", "secretsmanager"):
            made(service, region=None).close()
    statuses, ends = zip(*found, strict=True)
    return Stampede(Counter(statuses), door.refused["GetParameter"], max(ends) - began)


def main() -> None:
    """Measure and show."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        surroundings_with_gate(Path(scratch)) as (settings, door),
    ):
        page.show({"stampede": stampede(settings, door).told})


if __name__ == "__main__":
    main()
