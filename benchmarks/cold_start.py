"""`make bench SUITE=cold`: how long a new environment takes, ours beside one on the usual stack.

Each start is a process of its own under Lambda's runtime emulator, in turns. The runtime's own
half is compiled first, as it is on Lambda; a function's package is taken as the build left it.
"""

import json
import re
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import page
from benchmarks.cases import KEY
from benchmarks.cold_contestants import COMPILED, ORIGIN, Contestant, compiled, contestants
from tests.rigs.issuer import Issuer, issuer
from tests.rigs.lambda_events import http_api
from tests.rigs.lambda_runtime import RUNTIME, function_in
from tests.rigs.sam import make
from tests.rigs.secrets_manager import Gate, client, environment, gate, moto_server, new_secret

TURNS = 15
PARAMETER = "/benchmark/policy"
_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_INVOKE = re.compile(r"INVOKE RTDONE\(status: success.*duration: ([\d.]+)ms\)")


@dataclass(frozen=True)
class Start:
    """Milliseconds of one start."""

    init: float
    first: float
    """From the runtime's handing over the first event to the answer."""

    @property
    def total(self) -> float:
        """What the first caller waits for."""
        return self.init + self.first


Result = dict[str, list[Start]]


def measure(contestants: list[Contestant], settings: Mapping[str, str], runtime: Path) -> Result:
    """Start each contestant once a turn; the first turn warms the machine and does not count."""
    result: Result = {each.name: [] for each in contestants}
    for turn in range(TURNS + 1):
        for each in contestants:
            start = _start(each, settings, runtime)
            if turn:
                result[each.name].append(start)
    return result


def _start(contestant: Contestant, settings: Mapping[str, str], runtime: Path) -> Start:
    with function_in(contestant.folder, contestant.handler, settings, runtime) as function:
        answer = function.invoke(http_api(contestant.request))
        log = function.log()
    if answer.get("statusCode") != contestant.status:
        raise RuntimeError(f"{contestant.name} failed: {answer}\n{log}")
    init, first = _INIT.search(log), _INVOKE.search(log)
    if not init or not first:
        raise RuntimeError(f"the runtime has not told the times of {contestant.name}:\n{log}")
    return Start(float(init[1]), float(first[1]))


@contextmanager
def surroundings(folder: Path) -> Iterator[dict[str, str]]:
    """An issuer, a ring and a policy, as both servers' settings name them."""
    with surroundings_with_gate(folder) as (settings, _):
        yield settings


@contextmanager
def surroundings_with_gate(folder: Path) -> Iterator[tuple[dict[str, str], Gate]]:
    """The same, and the gate in front of AWS."""
    with issuer(folder) as published, moto_server() as moto, gate(moto) as door:
        aws = client(moto)
        ring = {
            "id": KEY.id,
            "key": b64encode(KEY.secret).decode(),
            "activation_date": "2026-01-01T00:00:00Z",
        }
        secret = new_secret(aws, json.dumps({"keys": [ring]}))
        grant = {
            "identities": ["*@example.com"],
            "namespaces": ["default"],
            "operations": ["decode"],
        }
        client(moto, "ssm").put_parameter(
            Name=PARAMETER, Value=json.dumps({"grants": [grant]}), Type="String"
        )
        yield _settings(published, door, secret), door


def _settings(published: Issuer, door: Gate, secret: str) -> dict[str, str]:
    return {
        **published.settings(),
        **environment(door),
        "CODEC_KEYRING": f"secretsmanager:{secret}",
        "CODEC_POLICY": f"ssm:{PARAMETER}",
        "CODEC_ORIGINS": ORIGIN,
        # Lambda sets it, and Tracer is off without; nobody listens to what it sends.
        "LAMBDA_TASK_ROOT": "/var/task",
    }


def table(result: Result) -> str:
    """Medians, the least in brackets, and what share of the compiled reference's they are."""
    lines = [
        "| | init, ms | of the compiled reference's | first answer, ms | both | of the same |",
        "|---|---|---|---|---|---|",
    ]
    whole = result[COMPILED]
    for name, starts in result.items():
        cells = []
        for times, of in (
            ([each.init for each in starts], [each.init for each in whole]),
            ([each.first for each in starts], None),
            ([each.total for each in starts], [each.total for each in whole]),
        ):
            cells.append(f"{median(times):,.0f} ({min(times):,.0f})")
            if of:
                cells.append(f"**{median(times) / median(of):.0%}**")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and show."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make("lambda-runtime")
        runtime = compiled(RUNTIME, folder / "runtime")
        with surroundings(folder) as settings:
            result = measure(contestants(folder), settings, runtime)
    page.show({"cold start": table(result)})


if __name__ == "__main__":
    main()
