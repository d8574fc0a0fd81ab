"""`temporal-codec keys check`, and what is said of rings that are broken or missing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from temporal_codec import Key, Keyring
from temporal_codec.keys.keyring import development_ring
from temporal_codec.keys.sources import open_source
from tests.codec.cli.conftest import Operator, aged, put
from tests.codec.cli.terminal import temporal_codec
from tests.codec.rings import key

BROKEN: dict[str, Any] = {
    "text": ("canary", "not a key ring"),
    "empty": ("", "not a key ring"),
    "list": ("[]", "not an object"),
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
        ((WELL_KNOWN,), 1, "which everybody has"),
        ((WELL_KNOWN, aged(1, timedelta(days=1))), 0, "everybody can read"),
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
    assert (done.code, done.said) == (0, f"file:{path} can be used. key-1 encrypts now.")


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
    assert "`temporal-codec keys new` makes it" in done.said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("secretsmanager:temporal-codec/{namespace}", "one namespace's name"),
        ("rings/{namespace}.json", "one namespace's name"),
        ("development", "everybody has its keys"),
        ("ssm:orders", "secretsmanager:NAME"),
        ("file:", "secretsmanager:NAME"),
        ("secretsmanager:", "secretsmanager:NAME"),
        ("/nowhere/ring.json", "The folder /nowhere does not exist. Make it first."),
        ("/", "file:/ exists already"),
    ],
)
def test_a_name_that_is_no_rings_gets_a_sentence(operator: Operator, name: str, words: str) -> None:
    operator.name = name
    done = operator.keys("new")
    assert done.code == (1 if name.startswith("/") else 2)
    assert words in done.said


def test_a_ring_with_a_byte_order_mark_is_taken_and_utf16_is_named(
    operator: Operator, path: Path
) -> None:
    """By every command, and by readers; a change writes it without the mark."""
    text = Keyring([key(1), aged(2, timedelta(days=1))]).to_json()
    path.write_bytes(b"\xef\xbb\xbf" + text)
    assert operator.keys("check").code == 0
    assert operator.keys("disable", "key-1").code == 0
    assert operator.keys("rotate", "--now").code == 0
    assert operator.roles() == ["disabled", "opens", "seals"]
    path.write_bytes(text.decode().encode("utf-16"))
    done = operator.keys("check")
    assert done.code == 1
    assert "UTF-16: save it as UTF-8" in done.said


@pytest.mark.parametrize("name", ["team a", "x/y", "..", "заказы", "n" * 300, "orders"])
def test_the_ring_of_a_namespace_is_made_where_servers_look(name: str, tmp_path: Path) -> None:
    """With the server's own setting, which the command prints."""
    uri = f"file:{tmp_path}/{{namespace}}.json"
    made = temporal_codec("keys", "new", uri, "--namespace", name)
    assert made.returncode == 0, made.stderr
    assert f"CODEC_KEYRING={uri}\n" in made.stdout
    key_id = open_source(uri).keys(name).sealing().id
    for command in ("list", "check"):
        assert key_id in temporal_codec("keys", command, uri, "--namespace", name).stdout
    for wrong in (("x.json", "--namespace", name), (uri,), (uri, "--namespace", "a\tb")):
        done = temporal_codec("keys", "list", *wrong)
        assert done.returncode == 2
        assert "--namespace" in done.stderr


def test_a_key_whose_id_is_what_another_is_shown_as(operator: Operator, path: Path) -> None:
    """The id itself goes before what the list shows for another."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    keys = [Key(name, b"k" * 32, since) for name in ("", "(empty)", r"\x20", " ")]
    path.write_bytes(Keyring([*keys, aged(1, timedelta(days=1))]).to_json())
    for name in ("(empty)", "", " "):
        assert operator.keys("disable", name).code == 0
        ring = Keyring.from_json(path.read_bytes())
        assert next(key for key in ring if key.id == name).disabled
    assert sum(key.disabled for key in ring) == 3


OLD = (aged(1, timedelta(days=91)),)


@pytest.mark.parametrize(
    ("keys", "options", "code"),
    [
        (OLD, (), 0),
        (OLD, ("--fail-on-warning",), 1),
        ((aged(1, timedelta(days=1)),), ("--fail-on-warning",), 0),
        ((), ("--json",), 1),
        (OLD, ("--json", "--fail-on-warning"), 1),
    ],
)
def test_a_daily_job_can_act_on_the_status(
    path: Path, keys: tuple[Key, ...], options: tuple[str, ...], code: int
) -> None:
    """Warnings are on stderr, and an option makes them a failing status."""
    put(path, *keys)
    done = temporal_codec("keys", "check", path, *options)
    assert done.returncode == code
    if "--json" in options:
        document = json.loads(done.stdout)
        assert document["usable"] is bool(keys)
        assert document["ring"] == f"file:{path}"
        assert bool(document["faults"]) is not bool(keys)
        assert bool(document["warnings"]) is (keys == OLD)
        assert done.stderr == ""
    else:
        assert ("Warning: " in done.stderr) is (keys == OLD)
        assert "Warning" not in done.stdout


@pytest.mark.parametrize(("count", "warned"), [(2**30 - 1, False), (2**30, True), (2**33, True)])
def test_check_warns_long_before_a_key_is_worn_out(
    operator: Operator, path: Path, count: int, warned: bool
) -> None:
    """K2: 2^32 payloads at most; a count from the metrics is given by id."""
    put(path, aged(1, timedelta(days=1)))
    done = operator.keys("check", "--sealed", f"key-1={count}", "--fail-on-warning")
    assert ("has encrypted" in done.said) is warned
    assert done.code == int(warned)
    assert operator.keys("check", "--sealed", "key-1").code == 2
