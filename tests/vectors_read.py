"""The SDKs' vectors: what each case sends and what must come back (tests/vectors/README.md)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import json_format  # noqa: TID251 — the official reading of expectations
from temporalio.api.common.v1 import Payloads

FOLDER = Path(__file__).parent / "vectors"


@dataclass(frozen=True)
class Vector:
    """One case."""

    name: str
    case: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The request, in the very text that the case gives."""
        text: str = self.case.get("request_text", json.dumps(self.case["request"]))
        return (
            bytes.fromhex(self.case["request_hex"]) if "request_hex" in self.case else text.encode()
        )

    @property
    def ring(self) -> bytes:
        """The case's key ring, as a file."""
        keys = [
            {"id": key_id, "key": key, "activation_date": "2026-01-01T00:00:00Z"}
            for key_id, key in self.case["keys"].items()
        ]
        return json.dumps({"keys": keys}).encode()

    @property
    def encodes(self) -> bool:
        """Whether it is a request to /encode."""
        return self.case.get("op") == "encode"

    @property
    def with_storage(self) -> bool:
        """Whether it holds references to payloads that lie in S3."""
        return "storage" in self.case

    @property
    def says_how_to_decode(self) -> bool:
        """Whether it has an answer of /decode without storage; one is about /download alone."""
        return not self.with_storage or "expect_preserve_refs" in self.case

    @property
    def malformed(self) -> bool:
        """Whether the whole request must be refused."""
        return bool(self.case.get("malformed_request"))

    @property
    def expected(self) -> dict[str, Any]:
        """The answer's payloads from a server that isolates bad ones and has no storage."""
        case = self.case
        if self.with_storage:
            given = case["expect_preserve_refs"]
        elif case.get("expect_error"):
            given = case.get("expect_if_isolated", case["request"])
        else:
            given = case["expect"]
        return dict(given)


def payloads(document: Any) -> Payloads:
    """A document of proto3 JSON as messages: compared as these, not as text."""
    return json_format.ParseDict(document, Payloads())


@cache
def vectors() -> tuple[Vector, ...]:
    """Every case, by name."""
    # Those of derived keys have a form of their own: tests/real/test_interop.py reads them.
    files = sorted(file for file in FOLDER.glob("*.json") if not file.match("derive-*"))
    return tuple(Vector(file.stem, json.loads(file.read_text())) for file in files)
