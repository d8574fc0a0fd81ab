"""Where rings come from: URIs, files, the development ring, isolation between namespaces."""

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from temporal_codec import (
    Key,
    Keyring,
    KeyringError,
    KeyringNotFound,
    KeyringUnavailable,
    PayloadError,
    Reason,
    open_source,
)
from temporal_codec.keys.kms import KmsSource
from temporal_codec.keys.sources import RingSource
from tests.codec.clock import FakeClock
from tests.codec.rings import SINCE, key


def write_ring(path: Path, *keys: Key) -> None:
    path.write_bytes(Keyring(keys).to_json())


def why(ask: Callable[[], object]) -> Reason:
    with pytest.raises(PayloadError) as caught:
        ask()
    return caught.value.reason


@pytest.mark.parametrize(
    "uri", ["", "file", "file:", "File:x", "http://x", "development:x", "secret", "Development"]
)
def test_refuses_uris_that_name_no_source(uri: str) -> None:
    with pytest.raises(KeyringError, match="URI must be"):
        open_source(uri)


def test_the_development_ring_has_the_samples_ids() -> None:
    """Python, TypeScript, .NET and Ruby; Go; Java. The first of them seals."""
    keys = open_source("development").keys("default")
    secret = b"test-key-test-key-test-key-test!"
    for key_id in (b"test-key-id", b"test", secret):
        assert keys.opening(key_id).secret == secret
    assert keys.sealing().id == "test-key-id"
    assert why(lambda: keys.opening(b"other")) is Reason.UNKNOWN_KEY


def test_one_file_for_all_namespaces(tmp_path: Path) -> None:
    write_ring(tmp_path / "ring.json", key())
    source = open_source(f"file:{tmp_path}/ring.json")
    assert source.keys("a").sealing() == source.keys("b").opening(b"key-1") == key()


def test_a_file_for_each_namespace_isolates_them(tmp_path: Path) -> None:
    """K1: another namespace's key id answers exactly as an unknown one."""
    write_ring(tmp_path / "a.json", key(1))
    write_ring(tmp_path / "b.json", key(2))
    source = open_source(f"file:{tmp_path}/{{namespace}}.json")
    assert source.keys("a").sealing() == key(1)
    foreign = why(lambda: source.keys("a").opening(b"key-2"))
    assert foreign is why(lambda: source.keys("a").opening(b"nobody's")) is Reason.UNKNOWN_KEY


def test_no_ring_leaves_payloads_and_seals_nothing(tmp_path: Path) -> None:
    """Decision 6: no fallback from one ring to another."""
    write_ring(tmp_path / "default.json", key())
    keys = open_source(f"file:{tmp_path}/{{namespace}}.json").keys("other")
    assert why(lambda: keys.opening(b"key-1")) is Reason.NO_KEYRING
    with pytest.raises(KeyringNotFound):
        keys.sealing()


def test_a_ring_that_appears_is_found_after_thirty_seconds(
    tmp_path: Path, clock: FakeClock
) -> None:
    source = open_source(f"file:{tmp_path}/ring.json", clock)
    with pytest.raises(KeyringNotFound):
        source.keys("a").sealing()
    write_ring(tmp_path / "ring.json", key())
    clock.advance(29)
    with pytest.raises(KeyringNotFound):
        source.keys("a").sealing()
    clock.advance(1)
    assert source.keys("a").sealing() == key()


def test_a_key_that_appears_is_found_within_thirty_seconds(
    tmp_path: Path, clock: FakeClock
) -> None:
    """K4: an unknown id makes the ring be read again, at most once per 30 s."""
    write_ring(tmp_path / "ring.json", key(1))
    keys = open_source(f"file:{tmp_path}/ring.json", clock).keys("a")
    keys.opening(b"key-1")
    write_ring(tmp_path / "ring.json", key(1), key(2))
    assert why(lambda: keys.opening(b"key-2")) is Reason.UNKNOWN_KEY
    clock.advance(30)
    assert keys.opening(b"key-2") == key(2)


def test_of_several_sources_the_first_seals_and_all_open(tmp_path: Path) -> None:
    """For moves; each namespace keeps the keys that are its own."""
    derives = Key("old", bytes(32), SINCE, derives=True)
    write_ring(tmp_path / "old, odd.json", derives)
    write_ring(tmp_path / "a.json", key(1))
    uri = f"file:{tmp_path}/{{namespace}}.json,file:{tmp_path}/old, odd.json"
    source = open_source(uri)
    assert source.keys("a").sealing() == key(1)
    assert source.keys("a").opening(b"old") == derives.derived("a")
    assert source.keys("b").opening(b"old") == derives.derived("b")
    assert why(lambda: source.keys("a").opening(b"other")) is Reason.UNKNOWN_KEY
    with pytest.raises(KeyringNotFound):
        source.keys("b").sealing()


BROKEN = [
    b"",
    b"[]",
    b"{}",
    b'{"keys":[]}',
    b"\xff",
    Keyring([Key("k", bytes(32), SINCE.replace(year=2099))]).to_json(),
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_unavailable_when_cold(tmp_path: Path, text: bytes) -> None:
    """K5: 503, since mending the file heals it; the message names the file and the fault."""
    (tmp_path / "ring.json").write_bytes(text)
    keys = open_source(f"file:{tmp_path}/ring.json").keys("a")
    for ask in (keys.sealing, lambda: keys.opening(b"key-1")):
        with pytest.raises(KeyringUnavailable) as caught:
            ask()
    assert str(caught.value).startswith(f"no key ring: file:{tmp_path}/ring.json: ")


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_leaves_warm_readers_the_last_good_ring(
    tmp_path: Path, clock: FakeClock, text: bytes
) -> None:
    """K5; a ring without an active key replaces none that has one."""
    write_ring(tmp_path / "ring.json", key())
    keys = open_source(f"file:{tmp_path}/ring.json", clock).keys("a")
    keys.sealing()
    (tmp_path / "ring.json").write_bytes(text)
    clock.advance(24 * 3600 - 1)
    assert keys.sealing() == keys.opening(b"key-1") == key()
    with pytest.raises(KeyringUnavailable):
        keys.opening(b"unknown while the last refresh failed")
    clock.advance(1)
    with pytest.raises(KeyringUnavailable):
        keys.sealing()


def test_nothing_is_loaded_before_a_key_is_asked_for() -> None:
    """Decision 5."""
    loaded: list[str] = []

    def load(namespace: str) -> Keyring:
        loaded.append(namespace)
        return Keyring([key()])

    source = RingSource("test:{namespace}", load)
    keys = [source.keys(name) for name in ("a", "b", "a")]
    assert loaded == []
    for each in keys:
        each.sealing()
    assert loaded == ["a", "b"]


def test_a_ring_is_fresh_for_five_minutes(tmp_path: Path, clock: FakeClock) -> None:
    """K4: then it is read again, without anybody's asking for an unknown key."""
    write_ring(tmp_path / "ring.json", key(1))
    keys = open_source(f"file:{tmp_path}/ring.json", clock).keys("a")
    assert keys.sealing() == key(1)
    write_ring(tmp_path / "ring.json", key(2))
    clock.advance(299)
    assert keys.sealing() == key(1)
    clock.advance(1)
    assert keys.sealing() == key(2)


def test_five_thousand_rings_are_kept() -> None:
    """What `CODEC_MAX_RINGS` says by default; of more, the one that was used least goes first."""
    loaded: list[str] = []
    ring = Keyring([key()])

    def load(namespace: str) -> Keyring:
        loaded.append(namespace)
        return ring

    source = RingSource("test:{namespace}", load)
    names = [str(number) for number in range(5000)]
    for name in [*names, names[0]]:
        source.keys(name).sealing()
    assert loaded == names
    for name in ("one more", "two more", names[1], names[0]):  # the newest has not settled yet
        source.keys(name).sealing()
    assert loaded == [*names, "one more", "two more", names[1]]


def test_what_must_be_there_before_a_request_comes(tmp_path: Path) -> None:
    """One ring for all is fetched at the start; rings of many namespaces when they are used."""
    write_ring(tmp_path / "ring.json", key())
    assert [each.has_value for each in open_source("development").caches()] == [True]
    for name, rings in (("ring", [False]), ("{namespace}", [])):
        source = open_source(f"file:{tmp_path}/{name}.json")
        assert [each.has_value for each in source.caches()] == rings
    shared = open_source(f"file:{tmp_path}/ring.json")
    shared.keys("a").sealing()
    assert [each.has_value for each in shared.caches()] == [True]


def test_a_kms_key_is_a_source() -> None:
    """Nothing is asked before a key is needed."""
    assert isinstance(open_source("kms:alias/codec", at_most=1), KmsSource)


def test_without_its_library_a_source_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "temporal_codec.keys.secrets_manager", None)
    with pytest.raises(KeyringError, match=r"secretsmanager: needs botocore: .*\[aws\]"):
        open_source("secretsmanager:name")


def test_a_fault_names_the_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A setting may hold a relative one; the log says once that a key ring is at fault."""
    monkeypatch.chdir(tmp_path)
    keys = open_source("file:rings/ring.json").keys("a")
    with pytest.raises(KeyringNotFound, match=f"file:{tmp_path}/rings/ring.json"):
        keys.sealing()
    (tmp_path / "rings").mkdir()
    (tmp_path / "rings" / "ring.json").write_text("{}")
    fault = f"file:{tmp_path}/rings/ring.json: not a key ring"
    with pytest.raises(KeyringUnavailable, match=fault):
        open_source("file:rings/ring.json").keys("a").sealing()
    assert [each.getMessage().partition(fault)[0] for each in caplog.records] == [
        "a key ring cannot be refreshed: "
    ]


def test_a_ring_may_be_as_large_as_a_secret(tmp_path: Path) -> None:
    """K5: 65,536 bytes are read, and one more is refused."""
    path = tmp_path / "ring.json"
    for size in (65_536, 65_537):
        path.write_bytes(Keyring([key()]).to_json().ljust(size))
        keys = open_source(f"file:{path}").keys("a")
        if size == 65_536:
            assert keys.sealing() == key()
        else:
            with pytest.raises(KeyringUnavailable, match="at most 65536 bytes"):
                keys.sealing()


def test_a_file_is_read_up_to_the_size_of_a_ring(tmp_path: Path) -> None:
    """K5: a ring has at most 65,536 bytes, and a larger file takes no more memory than that."""
    path = tmp_path / "ring.json"
    write_ring(path, key())
    with path.open("r+b") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(KeyringUnavailable):
            open_source(f"file:{path}").keys("default").sealing()
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
