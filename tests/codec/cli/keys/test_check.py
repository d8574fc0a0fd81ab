"""`temporal-codec keys check`, and what is said of rings that are broken or missing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from temporal_codec import Key, Keyring
from temporal_codec.keys.sources import development_ring
from tests.codec.cli.conftest import Operator, aged, put
from tests.codec.rings import key

BROKEN: dict[str, Any] = {
    "text": ("canary", "not a key ring"),
    "empty": ("", "not a key ring"),
    "list": ("[]", "Expected `object`"),
    "no id": ('{"keys":[{"key":"x","activation_date":"y"}]}', "missing required field `id`"),
    "short": (
        '{"keys":[{"id":"a","key":"Y2FuYXJ5","activation_date":"2026-01-01T00:00:00Z"}]}',
        "keys[0]: a key must have 32 bytes, not 6",
    ),
    "twice": (Keyring([key(1)]).to_json().decode().replace("[", "[{},", 1), "keys[0]"),
    "size": (" " * 65_537, "at most 65536 bytes"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("command", ["check", "list", "rotate"])
def test_a_broken_ring_is_told_where(
    operator: Operator, path: Path, command: str, fault: str
) -> None:
    """The sentence says which ring, what is wrong with it, and what to do; it quotes nothing."""
    text, words = BROKEN[fault]
    path.write_text(text)
    done = operator.keys(command)
    assert done.code == 1
    assert f"file:{path} is broken: " in done.said
    assert words in done.said
    assert "docs/format.md" in done.said
    assert "canary" not in done.said
    assert path.read_text() == text


WELL_KNOWN = next(iter(development_ring()))


@pytest.mark.parametrize(
    ("keys", "code", "words"),
    [
        ((), 1, "No key is active"),
        ((aged(1, timedelta(hours=-2)),), 1, "No key is active"),
        ((WELL_KNOWN,), 1, "everybody has it"),
        ((WELL_KNOWN, aged(1, timedelta(days=1))), 0, "open to everybody"),
        ((aged(1, timedelta(days=91)),), 0, "more than 90 days"),
    ],
)
def test_check_says_what_is_amiss(
    operator: Operator, path: Path, keys: tuple[Key, ...], code: int, words: str
) -> None:
    """Status 0 only where the ring may be used; what to do comes with it."""
    put(path, *keys)
    done = operator.keys("check")
    assert done.code == code
    assert words in done.said
    assert "keys rotate" in done.said or "Retire it" in done.said


@pytest.mark.parametrize(
    "keys",
    [
        (aged(1, timedelta(days=89)),),
        (aged(1, timedelta(days=91)), aged(2, timedelta(hours=-2))),
    ],
)
def test_check_has_nothing_to_say_about_a_good_ring(
    operator: Operator, path: Path, keys: tuple[Key, ...]
) -> None:
    put(path, *keys)
    done = operator.keys("check")
    assert (done.code, done.said) == (0, f"file:{path} may be used. key-1 seals now.")


def test_check_sees_that_others_may_read_the_file(operator: Operator, path: Path) -> None:
    put(path, aged(1, timedelta(days=1)))
    path.chmod(0o644)
    done = operator.keys("check")
    assert done.code == 0
    assert f"chmod 600 {path}" in done.said


def test_check_sees_that_the_ring_is_nearly_full(operator: Operator, path: Path) -> None:
    put(path, aged(1, timedelta(days=1)))
    path.write_text(path.read_text() + " " * 59_000)
    done = operator.keys("check")
    assert done.code == 0
    assert "of at most 65536 bytes" in done.said


@pytest.mark.parametrize("command", ["check", "list", "rotate", "retire"])
def test_a_ring_that_is_not_there_is_a_sentence(operator: Operator, command: str) -> None:
    done = operator.keys(command, *(["key-1"] if command == "retire" else []))
    assert done.code == 1
    assert "`temporal-codec keys new` makes one" in done.said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("secretsmanager:temporal-codec/{namespace}", "one namespace's name"),
        ("rings/{namespace}.json", "one namespace's name"),
        ("development", "everybody has its keys"),
        ("ssm:orders", "secretsmanager:NAME"),
        ("file:", "secretsmanager:NAME"),
        ("secretsmanager:", "secretsmanager:NAME"),
        ("/nowhere/ring.json", "There is no folder /nowhere. Make it first."),
        ("/", "file:/ is there already"),
    ],
)
def test_a_name_that_is_no_rings_gets_a_sentence(operator: Operator, name: str, words: str) -> None:
    operator.name = name
    done = operator.keys("new")
    assert done.code == 1
    assert words in done.said
