"""`make bench SUITE=keys`: what each kind of key costs in CPU, warm, and in calls of AWS, cold.

AWS is a function here: the network is not measured, and calls are counted.
"""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.cases import CASES, Case
from benchmarks.contestants import Serve, ours
from benchmarks.machine import libraries, processor
from temporal_codec import pipeline, wire
from temporal_codec.keys.key import Key
from temporal_codec.keys.keyring import Keyring
from temporal_codec.keys.kms import KmsSource
from temporal_codec.keys.sources import KeySource, RingSource

TURNS = 25
PAGE = Path(page.PAGE).with_name("keys.md")
ONE, MANY = CASES[0], CASES[4]
_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class Aws:
    """Gives one secret, as Secrets Manager and as KMS; counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def ring(self, *, derives: bool) -> Keyring:
        """A ring of one key."""
        self.calls += 1
        since = datetime(2026, 1, 1, tzinfo=UTC)
        return Keyring([Key("2026-11-a1b2c3", bytes(32), since, derives)])

    def ask(self, _operation: str, _name: str, **_: object) -> dict[str, Any]:
        """KMS: the wrapped key has the size of AWS's."""
        self.calls += 1
        return {"KeyId": _ARN, "Plaintext": bytes(32), "CiphertextBlob": bytes(184)}


def sources(aws: Aws) -> dict[str, KeySource]:
    """A source of each kind."""
    return {
        "plain ring": RingSource("a:b", lambda _: aws.ring(derives=False)),
        "derived keys": RingSource("a:b", lambda _: aws.ring(derives=True)),
        "ring for each namespace": RingSource("a:{namespace}", lambda _: aws.ring(derives=False)),
        "AWS KMS": KmsSource(_ARN, ask=aws.ask),
    }


def took(serve: Serve, body: bytes, rounds: int) -> float:
    """Microseconds of CPU for one request."""
    start = time.process_time()
    for _ in range(rounds):
        serve(body)
    return (time.process_time() - start) / rounds * 1e6


def measure(turns: int = TURNS) -> dict[tuple[str, str, str], float]:
    """The least of all turns, by operation, case and kind; the kinds take turns."""
    found: dict[tuple[str, str, str], float] = {}
    all_of = sources(Aws())
    for operation in ("decode", "encode"):
        for case in (ONE, MANY):
            work = {name: work_of(operation, case, each) for name, each in all_of.items()}
            for name, (serve, body) in (*work.items(),) * turns:
                least = found.get((operation, case.name, name), float("inf"))
                found[operation, case.name, name] = min(least, took(serve, body, case.rounds))
    return found


def work_of(operation: str, case: Case, source: KeySource) -> tuple[Serve, bytes]:
    """A warm server, and the body of a request to it."""
    keys = source.keys("default")
    sealed = case.sealed(keys.sealing())
    pipeline.decode(wire.read(sealed, wire.MAX_PAYLOADS), keys)  # what must be fetched is fetched
    body = sealed if operation == "decode" else case.plain()
    serve = ours(operation, source)
    serve(body)
    return serve, body


def cold(kind: str, namespaces: int) -> int:
    """Calls of AWS until payloads of so many namespaces are decoded."""
    aws = Aws()
    source, sender = sources(aws)[kind], sources(Aws())[kind]
    for number in range(namespaces):
        name = f"namespace-{number}"
        body = ONE.sealed(sender.keys(name).sealing())
        pipeline.decode(wire.read(body, wire.MAX_PAYLOADS), source.keys(name))
    return aws.calls


def table(found: Mapping[tuple[str, str, str], float]) -> str:
    """What each kind takes."""
    kinds = list(sources(Aws()))
    lines = [f"| | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for operation in ("decode", "encode"):
        for case, what in ((ONE, "one payload"), (MANY, "a page of 200 payloads")):
            cells = [f"{found[operation, case.name, kind]:,.0f} µs" for kind in kinds]
            lines.append(f"| {operation}, {what}, warm | {' | '.join(cells)} |")
    for number in (1, 100):
        cells = [f"{cold(kind, number)}" for kind in kinds]
        what = "one namespace" if number == 1 else f"{number} namespaces"
        lines.append(f"| calls of AWS, cold, {what} | {' | '.join(cells)} |")
    machine = f"{processor()}; {libraries(('cryptography', 'msgspec', 'pybase64'))}"
    return "\n".join([*lines, "", f"CPU on {machine}."])


def main() -> None:
    """Measure and show."""
    times = 3 if "--long" in sys.argv[1:] else 1
    page.show({"keys": table(measure(TURNS * times))}, page=PAGE)


if __name__ == "__main__":
    main()
