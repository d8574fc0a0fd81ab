"""What each kind of key costs: warm they cost the same, and none asks AWS."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.cases import CASES
from benchmarks.keys import Aws, cold, sources, work_of

PAGE = CASES[4]


def instructions(call: Callable[[], object]) -> int:
    """How many instructions Python's interpreter runs for a call; no clock disturbs that."""
    count = 0

    def note(frame: Any, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def of(kind: str, operation: str) -> int:
    aws = Aws()
    serve, body = work_of(operation, PAGE, sources(aws)[kind])
    before = aws.calls
    found = instructions(lambda: serve(body))
    assert aws.calls == before, "warm, nothing is asked"
    return found


@pytest.mark.parametrize("operation", ["decode", "encode"])
@pytest.mark.parametrize("kind", ["derived keys", "ring for each namespace", "AWS KMS"])
def test_a_page_costs_as_much_with_each_kind_of_key(kind: str, operation: str) -> None:
    """Within 5 % of a plain ring: a key is derived or unwrapped once, and not for each payload."""
    assert of(kind, operation) <= 1.05 * of("plain ring", operation)


def test_calls_of_aws_grow_with_namespaces_only_where_they_must() -> None:
    kinds = ("plain ring", "derived keys", "ring for each namespace", "AWS KMS")
    assert [cold(kind, 5) for kind in kinds] == [1, 1, 5, 5]
