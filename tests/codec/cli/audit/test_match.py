"""`temporal-codec audit match`: the digests of a record lead to the places of a history."""

import json
from pathlib import Path

from typer.testing import CliRunner

from temporal_codec import Keyring
from temporal_codec.cli.app import app
from tests.codec.cli.history.test_history import STARTED, event, many, payload, put
from tests.codec.rings import key, plain, sealed


def test_who_read_what_is_found(tmp_path: Path) -> None:
    """By record, in each form that logs have; other requests and other lines do not count."""
    ring = tmp_path / "ring.json"
    ring.write_bytes(Keyring([key(1)]).to_json())
    first, second = (sealed(plain(text), key(1)) for text in (b"1", b"2"))
    events = event(STARTED, input=many(*map(payload, (first, second))))
    history = put(tmp_path / "history.json", events)
    base = {"event": "codec.request", "email": "ana@example.com", "request_id": "r1"}
    odd = [{**base, "read": 5}, {**base, "read": {"a": 1}}, {**base, "read": [[], None, 1.5]}]
    third = {**base, "request_id": "r3", "read": [key(1).digest(first.data)]}
    lines = [
        json.dumps({**base, "read": [key(1).digest(second.data)]}),
        "2026-11-25T00:00:00Z " + json.dumps({**base, "request_id": "r2", "read": ["0" * 12]}),
        json.dumps({"message": json.dumps(third)}),
        "no JSON {",
        *map(json.dumps, odd),
    ]
    log = tmp_path / "log"
    log.write_text("\n".join(lines))
    words = ["audit", "match", "--history", history, "--log", log, "--ring", ring]
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    place = f"events[0].{STARTED}EventAttributes.input"
    found = json.loads(result.output)["matches"]
    assert [(each["request_id"], each["read"]) for each in found] == [
        ("r1", [f"{place}[1]"]),
        ("r3", [f"{place}[0]"]),
    ]
    said = CliRunner().invoke(app, list(map(str, words))).output
    assert "2 requests of 6 read payloads of this history. The ring decrypts 2 payloads" in said
    log.write_text("no record\n")
    nothing = CliRunner().invoke(app, list(map(str, words)))
    assert (nothing.exit_code, "has no audit records" in nothing.output) == (2, True)
