"""The JSON of Lambda's runtime for Python, and other ways of giving it an answer.

The runtime reads each event and writes each answer with its own encoder, around every handler.
"""

import importlib
import os
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.cases import CASES
from tests.rigs.lambda_runtime import RUNTIME
from tests.rigs.sam import make

Give = Callable[[bytes], object]


@cache
def marshaller() -> Any:  # noqa: ANN401 — the runtime's own object
    """What reads events and writes answers, as on Lambda's python3.13."""
    make("lambda-runtime")
    os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python3.13"
    sys.path.append(str(RUNTIME))
    return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()


def as_text(body: bytes) -> object:
    """As we do: the body as a string, whose quotes the runtime escapes."""
    return {"statusCode": 200, "headers": {}, "body": body.decode(), "isBase64Encoded": False}


def as_base64(body: bytes) -> object:
    """In base64, which needs no escaping and is a third longer."""
    text = b64encode(body).decode()
    return {"statusCode": 200, "headers": {}, "body": text, "isBase64Encoded": True}


def as_bytes(body: bytes) -> object:
    """Past the runtime's encoder, which hands bytes on as they are."""
    escaped = body.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'{"statusCode":200,"headers":{},"body":"%b","isBase64Encoded":false}' % escaped


WAYS: dict[str, Give] = {
    "a string": as_text,
    "isBase64Encoded": as_base64,
    "bytes": as_bytes,
}


def _microseconds(give: Give, body: bytes, rounds: int) -> tuple[float, int]:
    start = time.process_time()
    for _ in range(rounds):
        sent, _kind = marshaller().marshal_response(give(body))
    return (time.process_time() - start) / rounds * 1e6, len(sent)


def table(turns: int) -> str:
    """What each way costs for an answer to each case, the least of turns, and how long it gets."""
    cases = [CASES[0], CASES[2], CASES[3]]
    lines = ["| µs of CPU (bytes sent) | a | c | d |", "|---|---|---|---|"]
    for name, give in WAYS.items():
        cells = []
        for case in cases:
            runs = [_microseconds(give, case.plain(), case.rounds) for _ in range(turns)]
            cells.append(f"{min(took for took, _ in runs):,.0f} ({runs[0][1]:,})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
