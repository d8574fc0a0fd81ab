"""`temporal-codec keys` on rings in files, as an operator uses it."""

import fcntl
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from temporal_codec import Key, Keyring, KeyringError
from temporal_codec.cli.errors import CliError
from temporal_codec.cli.keys import command as ring_command
from temporal_codec.cli.keys import file as ring_file
from temporal_codec.cli.keys.file import FileStore
from temporal_codec.keys.key import ROTATION_WAIT
from temporal_codec.keys.keyring import development_ring, without_key
from tests.codec.cli.conftest import NOW, Operator, aged, put
from tests.codec.rings import key


def folder(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_new_makes_a_ring_whose_key_seals_at_once(operator: Operator, path: Path) -> None:
    """Decision 4: a ring's first key; the file is its owner's alone, and nothing is left beside."""
    done = operator.keys("new")
    assert done.code == 0
    (first,) = operator.ring
    assert first.id in done.said
    assert f"CODEC_KEYRING=file:{path}" in done.said
    assert operator.roles() == ["seals"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder(path) == [path.name]


def test_new_never_overwrites(operator: Operator, path: Path) -> None:
    operator.keys("new")
    before = path.read_bytes()
    done = operator.keys("new")
    assert (done.code, path.read_bytes()) == (1, before)
    assert "exists already" in done.said
    assert "keys rotate" in done.said
    assert folder(path) == [path.name]


def test_the_name_may_say_that_it_is_a_file(operator: Operator, path: Path) -> None:
    operator.name = f"file:{path}"
    assert operator.keys("new").code == 0
    assert path.exists()


def test_list_shows_what_each_key_does(operator: Operator, path: Path) -> None:
    put(path, *(aged(n, timedelta(days=d)) for n, d in [(1, 100), (2, 10), (3, -1)]))
    said = operator.keys("list").said
    for word in ("key-1", "key-2", "key-3", f"{NOW - timedelta(days=10):%Y-%m-%d %H:%M} UTC"):
        assert word in said
    assert said.count("encrypts and decrypts") == said.count("decrypts, will encrypt") == 1
    assert operator.roles() == ["opens", "seals", "waits"]


def test_rotate_adds_a_key_that_seals_25_hours_later(operator: Operator, path: Path) -> None:
    """Decision 4; members that this version does not know survive."""
    document = json.loads(Keyring([key(1)]).to_json())
    document["comment"] = "ours"
    document["keys"][0]["owner"] = ["a", 1]
    path.write_text(json.dumps(document))
    done = operator.keys("rotate")
    assert done.code == 0
    assert "key-1 encrypts until then" in done.said
    assert operator.document["comment"] == "ours"
    assert operator.document["keys"][0] == document["keys"][0]
    _, added = operator.ring
    assert added.id in done.said
    assert timedelta(hours=24.9) < added.activation_date - datetime.now(UTC) <= ROTATION_WAIT
    assert operator.roles() == ["seals", "waits"]


def test_rotate_refuses_while_a_key_waits(operator: Operator, path: Path) -> None:
    """A person who repeats a rotation, unsure whether it worked, must not get two keys."""
    put(path, key(1), aged(2, timedelta(hours=-2)))
    done = operator.keys("rotate")
    assert done.code == 1
    assert "key-2 waits" in done.said
    assert len(operator.ring) == 2


def test_rotate_now_seals_at_once_and_says_what_that_means(operator: Operator, path: Path) -> None:
    """For a leak; a waiting key has leaked with the others."""
    put(path, key(1), aged(2, timedelta(hours=-2)))
    done = operator.keys("rotate", "--now")
    assert operator.roles() == ["opens", "waits", "seals"]
    for words in ("within 5 minutes", "30 seconds", "key-2 was waiting", "A key leaked"):
        assert words in done.said


def test_a_ring_where_no_key_seals_gets_one_that_does(operator: Operator, path: Path) -> None:
    path.write_text('{"keys":[]}')
    assert operator.keys("rotate").code == 0
    assert operator.roles() == ["seals"]


def test_a_changed_file_keeps_its_mode_and_its_links(operator: Operator, path: Path) -> None:
    """A server of the file's group must be able to read it after a rotation."""
    real = path.with_name("real.json")
    put(real, key(1))
    real.chmod(0o640)
    path.symlink_to(real)
    assert operator.keys("rotate").code == 0
    assert path.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(operator.ring) == 2
    assert folder(path) == ["real.json", "ring.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_changed_file_keeps_its_owner(operator: Operator, path: Path) -> None:
    put(path, key(1))
    os.chown(path, 12345, 12346)
    assert operator.keys("rotate").code == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_a_file_that_changed_meanwhile_is_not_written_over(path: Path) -> None:
    put(path, key(1))
    store = FileStore(str(path))
    read = store.read()
    assert read is not None
    put(path, key(1), key(2))
    before = path.read_bytes()
    with pytest.raises(CliError, match="Somebody else changed"):
        store.replace(read, Keyring([key(3)]).to_json())
    assert path.read_bytes() == before


def test_nobody_else_writes_between_the_last_look_and_the_change(
    operator: Operator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is locked while a file is replaced."""
    put(path, key(1))
    looked = []

    def dress(*_: Any) -> None:
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(handle)
        looked.append(True)

    monkeypatch.setattr(ring_file, "_dress", dress)
    assert operator.keys("rotate").code == 0
    assert looked


def test_retire_takes_out_the_key_whose_id_is_typed(operator: Operator, path: Path) -> None:
    document = json.loads(Keyring([key(1), aged(2, timedelta(days=3))]).to_json())
    document["comment"] = "ours"
    path.write_text(json.dumps(document))
    for typed in ("", "\n", "yes\n", "key-2\n"):
        done = operator.keys("retire", "key-1", typed=typed)
        assert done.code == 1
        assert "Nothing was changed" in done.said
        assert operator.document == document
    done = operator.keys("retire", "key-1", typed="key-1\n")
    assert done.code == 0
    assert "Nobody can ever read again what key-1 encrypted" in done.said
    assert "keep decrypting with it for up to 5 minutes" in done.said
    assert "Wait until then" not in done.said
    assert operator.document == {**document, "keys": document["keys"][1:]}


def test_retire_tells_that_writers_may_not_have_moved_on(operator: Operator, path: Path) -> None:
    """K4: a writer may live on its last good ring for 24 hours."""
    put(path, key(1), aged(2, timedelta(hours=23)))
    assert "Wait until then" in operator.keys("retire", "key-1", "--yes").said


def test_retire_says_that_a_waiting_key_is_not_needed_yet(operator: Operator, path: Path) -> None:
    put(path, key(1), aged(2, timedelta(hours=-2)))
    done = operator.keys("retire", "key-2", "--yes")
    assert (done.code, len(operator.ring)) == (0, 1)
    assert "has not encrypted yet" in done.said


@pytest.mark.parametrize(
    ("keys", "name", "words"),
    [
        ((key(1), aged(2, timedelta(days=3))), "key-2", "key-2 encrypts now. Rotate first"),
        ((aged(1, timedelta(hours=-2)),), "key-1", "the only key"),
        ((key(1), key(2)), "canary", "no key with this id"),
    ],
)
def test_retire_refuses(
    operator: Operator, path: Path, keys: tuple[Key, ...], name: str, words: str
) -> None:
    """The key that seals, the last one, and what is not there, which is not repeated."""
    put(path, *keys)
    done = operator.keys("retire", name, "--yes")
    assert done.code == 1
    assert words in done.said
    assert "canary" not in done.said
    assert len(operator.ring) == len(keys)


def test_a_key_whose_id_is_the_key_is_retired_by_what_list_shows(
    operator: Operator, path: Path
) -> None:
    """K8: the Java sample's id; typing it would leave the key in the shell's history."""
    java = [each for each in development_ring() if each.label.startswith("sha256:")]
    put(path, *java, aged(1, timedelta(days=30)))
    assert java[0].label in operator.keys("list").said
    assert java[0].label in operator.keys("list", "--json").said
    assert operator.keys("retire", java[0].label, typed=f"{java[0].label}\n").code == 0
    assert [each.id for each in operator.ring] == ["key-1"]


@pytest.mark.parametrize(
    ("text", "words"), [(Keyring([key(1)]).to_json(), "no key of this id"), (b"[]", "not a key")]
)
def test_a_key_that_is_not_there_cannot_be_taken_out(text: bytes, words: str) -> None:
    with pytest.raises(KeyringError, match=words):
        without_key(text, "key-2")


def test_a_disabled_key_neither_decrypts_nor_encrypts_until_it_is_enabled(
    operator: Operator, path: Path
) -> None:
    """Reversible, unlike retire; members that this version does not know survive."""
    document = json.loads(Keyring([key(1), aged(2, timedelta(days=3))]).to_json())
    document["keys"][0]["owner"] = "ours"
    path.write_text(json.dumps(document))
    done = operator.keys("disable", "key-1")
    assert done.code == 0
    assert "up to 5 minutes" in done.said
    assert operator.roles() == ["disabled", "seals"]
    assert operator.ring.get(b"key-1") is None
    assert operator.document["keys"][0] == {**document["keys"][0], "disabled": True}
    assert "disabled" in operator.keys("list").said
    assert operator.keys("enable", "key-1").code == 0
    assert operator.document == document


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("disable", "key-2", "key-2 encrypts now. Rotate first"),
        ("disable", "canary", "no key with this id"),
        ("enable", "key-1", "key-1 is not disabled"),
        ("enable", "canary", "no key with this id"),
    ],
)
def test_disable_and_enable_refuse(
    operator: Operator, path: Path, command: str, name: str, words: str
) -> None:
    put(path, key(1), aged(2, timedelta(days=3)))
    before = path.read_bytes()
    done = operator.keys(command, name)
    assert (done.code, path.read_bytes()) == (1, before)
    assert words in done.said
    assert "canary" not in done.said


@pytest.mark.parametrize(("typed", "roles"), [("y\n", ["opens", "seals"]), ("n\n", None)])
def test_rotate_now_offers_to_retire_the_key_that_was_waiting(
    operator: Operator,
    path: Path,
    typed: str,
    roles: list[str] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At a terminal; it has leaked with the ring, and would encrypt later."""
    put(path, key(1), aged(2, timedelta(hours=-2)))
    monkeypatch.setattr(ring_command, "_at_terminal", lambda: True)
    done = operator.keys("rotate", "--now", typed=typed)
    assert done.code == 0, done.said
    assert operator.roles() == (roles or ["opens", "waits", "seals"])
