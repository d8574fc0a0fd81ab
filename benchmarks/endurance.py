"""Load for minutes on several workers, while keys rotate, the issuer fails and workers restart.

`make bench SUITE=load`. Requests are sent on time, whether earlier ones are answered or not.
"""

import json
import os
import signal
import sys
import tempfile
import time
from array import array
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from benchmarks import page, servers, soak
from benchmarks.cases import CASES
from benchmarks.load import Connection
from benchmarks.resident import resident, session
from temporal_codec import Key, Keyring
from tests.rigs.codec_server import codec_server
from tests.rigs.issuer import Issuer, claims, issuer, token

RATE, SECONDS = 1000, 600
MOST = 1_000_000
"""Of requests in one run."""
SENDERS = 16
SAMPLES = 100
ROTATION, NEW_KEY, OUTAGE, RECOVERY, RESTART, SETTLED = 10, 20, 40, 60, 70, 75
"""When what happens, in hundredths of the run; a key's first use is long after it was added."""
KEYS = [Key(f"key-{n}", bytes([n]) * 32, datetime(2026, 1, 1, tzinfo=UTC)) for n in (1, 2)]


@dataclass
class Found:
    """What came of it."""

    asked: int = 0
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)
    again: int = 0
    """Requests that were sent once more, because a worker that ended had closed a connection."""
    ids: set[bytes] = field(default_factory=set)
    unrecorded: int = 0
    late: array[float] = field(default_factory=lambda: array("f"))
    """Seconds from when each request was due to its answer."""
    memory: list[int] = field(default_factory=list)
    """KiB resident of all processes after each hundredth."""
    workers: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Kind:
    status: int
    operation: str
    body: bytes
    headers: tuple[str, ...]
    holds: bytes
    """What the answer must contain."""


def _kinds(key: Key) -> list[_Kind]:
    """Of 20 requests: 16 small ones, 2 of 20 KiB, and 2 that must be refused."""
    small, large = CASES[:2]
    good = token(payload=claims(exp=int(time.time()) + 2 * SECONDS))
    bearer, forged = (f"Authorization: Bearer {each}" for each in (good, good[:-8] + "AAAAAAAA"))
    opened = b64encode(small.data)[:100]
    decode = _Kind(200, "decode", small.sealed(key), (bearer,), opened)
    return [
        *[decode] * 14,
        *[_Kind(200, "encode", small.plain(), (bearer,), b"")] * 2,
        *[_Kind(200, "decode", large.sealed(key), (bearer,), b64encode(large.data)[:100])] * 2,
        _Kind(401, "decode", small.sealed(key), (), b""),
        _Kind(401, "decode", small.sealed(key), (forged,), b""),
    ]


class _Sender:
    """Sends its share of the requests, each when it is due, over kept connections."""

    def __init__(self, port: int, found: Found, lock: Lock) -> None:
        self._port, self._found, self._lock = port, found, lock
        self._lines: dict[_Kind, Connection] = {}

    def send(self, kind: _Kind, due: float) -> None:
        time.sleep(max(0.0, due - time.perf_counter()))
        try:
            answer = self._asked(kind)
        except (RuntimeError, OSError) as error:
            self._found.failed.append(f"{type(error).__name__}: {error}"[:200])
            return
        request_id = answer.partition(b"x-request-id: ")[2][:16]
        with self._lock:
            self._found.late.append(time.perf_counter() - due)
            self._found.ids.add(request_id)
        if kind.holds not in answer:
            self._found.failed.append("a payload was not decoded")

    def _asked(self, kind: _Kind) -> bytes:
        for _ in range(3):
            line = self._lines.get(kind) or self._connected(kind)
            try:
                return line.ask()
            except ConnectionError:
                self._lines.pop(kind).close()
                with self._lock:
                    self._found.again += 1
        raise RuntimeError("three connections were closed before an answer")

    def _connected(self, kind: _Kind) -> Connection:
        self._lines[kind] = Connection(
            self._port, kind.operation, kind.body, kind.headers, kind.status
        )
        return self._lines[kind]

    def close(self) -> None:
        for line in self._lines.values():
            line.close()


@dataclass
class _Home:
    """The server, what it depends on, and the requests that it gets."""

    folder: Path
    issuer: Issuer
    pid: int = 0
    port: int = 0
    kinds: list[_Kind] = field(default_factory=lambda: _kinds(KEYS[0]))

    def write_ring(self, keys: int) -> None:
        (self.folder / "new").write_bytes(Keyring(KEYS[:keys]).to_json())
        (self.folder / "new").replace(self.folder / "ring.json")

    def happen(self, number: int, new_key: int) -> None:
        """What this hundredth brings."""
        if number == ROTATION:
            self.write_ring(2)
        elif number == new_key:
            self.kinds = _kinds(KEYS[1])
        elif number in {OUTAGE, RECOVERY}:
            self.issuer.fault = "500" if number == OUTAGE else ""
        elif number == RESTART:
            os.kill(self.pid, signal.SIGHUP)

    def settings(self) -> dict[str, str]:
        (self.folder / "policy.json").write_text(json.dumps(servers.POLICY))
        return {
            **self.issuer.settings(),
            "CODEC_POLICY": f"file:{self.folder}/policy.json",
            "CODEC_KEYRING": f"file:{self.folder}/ring.json",
            "WORKERS": "2",
            "ACCESS_LOG": "off",
        }


def run(rate: int = RATE, seconds: float = SECONDS, new_key: int = NEW_KEY) -> Found:
    """Send so many requests a second for so long, to loopback alone."""
    found = Found(asked=min(MOST, int(rate * seconds)))
    available, (theirs, ours) = os.sched_getaffinity(0), servers.cores()
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, available)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = _Home(folder, stack.enter_context(issuer(folder)))
        home.write_ring(1)
        os.sched_setaffinity(0, {theirs})
        running = codec_server(home.settings(), stdout=str(folder / "records"))
        server = stack.enter_context(running)
        os.sched_setaffinity(0, {ours})
        home.pid = server.running.process.pid
        home.port = int(server.url.rpartition(":")[2])
        _send(home, found, rate, new_key)
        server.running.process.terminate()
        server.running.process.wait(30)
        with (folder / "records").open("rb") as lines:
            for line in lines:
                found.ids.discard(line.partition(b'"request_id":"')[2][:16])
        found.unrecorded = len(found.ids)
        return found


def _send(home: _Home, found: Found, rate: int, new_key: int) -> None:
    lock, begun = Lock(), time.perf_counter()

    def share(first: int) -> None:
        sender = _Sender(home.port, found, lock)
        for number in range(first, found.asked, SENDERS):
            sender.send(home.kinds[number // SENDERS % 20], begun + number / rate)
        sender.close()

    with ThreadPoolExecutor(SENDERS) as pool:
        shares = [pool.submit(share, first) for first in range(SENDERS)]
        for number in range(SAMPLES):
            home.happen(number, new_key)
            due = begun + (number + 1) * found.asked / rate / SAMPLES
            time.sleep(max(0.0, due - time.perf_counter()))
            living = session(home.pid)
            found.workers.update(living)
            found.memory.append(_sum_of(living))
        for each in shares:
            each.result()
    found.seconds = time.perf_counter() - begun


def _sum_of(processes: list[int]) -> int:
    total = 0
    for each in processes:
        try:
            total += resident(each)
        except (OSError, IndexError):  # it ends just now
            continue
    return total


def told(found: Found) -> str:
    """As a table."""
    late = sorted(found.late)
    times = ", ".join(f"{late[int(len(late) * at)] * 1000:.0f}" for at in (0.5, 0.99, 0.999))
    before, after = found.memory[:RESTART], found.memory[SETTLED:]
    growths = ", ".join(f"{soak.growth(each):.0f}" for each in (before, after))
    rows = {
        "requests": f"{found.asked:,}",
        "a second": f"{found.asked / found.seconds:,.0f}",
        "failed": f"{len(found.failed)}",
        "sent again to another worker": f"{found.again}",
        "answered without a record": f"{found.unrecorded}",
        "ms until the answer: median, 99 %, 99.9 %": times,
        "MiB of all processes, at the end": f"{found.memory[-1] / 1024:.0f}",
        "KiB of growth, before and after the restart": growths,
    }
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    )


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    result = run(*numbers)
    print(*result.failed[:10], sep="\n", file=sys.stderr)
    page.show({"load": told(result)})
