"""Records of the running server: whole lines, and none lost, whatever becomes of the process."""

import fcntl
import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import Issuer, issuer, token
from tests.rigs.waiting import eventually

GRANT = {"identities": ["sub:auth0|123"], "namespaces": ["*"], "operations": ["decode", "encode"]}
PAYLOAD = '{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}'


def payloads(count: int) -> str:
    return f'{{"payloads":[{",".join([PAYLOAD] * count)}]}}'


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture
def settings(published: Issuer, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "policy.json").write_text(json.dumps({"grants": [GRANT]}))
    policy = {"CODEC_POLICY": f"file:{tmp_path}/policy.json", "CODEC_AUDIT_DIGESTS": "1000"}
    return {**published.settings(), **policy, "ACCESS_LOG": "off"}


BEARER = {"content-type": "application/json", "authorization": f"Bearer {token()}"}


def encode(server: CodecServer, count: int = 1) -> Any:
    return server.post("/encode", payloads(count), headers=BEARER)


def stop(server: CodecServer) -> int:
    os.kill(server.running.process.pid, signal.SIGTERM)
    return server.running.process.wait(30)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_under_load_keeps_each_answer_whole_and_its_record(
    settings: dict[str, str], workers: str, tmp_path: Path
) -> None:
    """What a client began to receive it receives in full, and a record tells of it."""
    records, answered = tmp_path / "records", []

    def ask(port: int) -> None:
        """Until the server is gone; an answer that is cut raises IncompleteRead."""
        while True:
            client = HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                client.connect()
                while True:
                    client.request("POST", "/encode", payloads(300), BEARER)
                    try:
                        reply = client.getresponse()
                    except (HTTPException, ConnectionError):
                        break
                    reply.read()
                    answered.append((reply.status, reply.headers["x-request-id"]))
            except ConnectionRefusedError:
                return
            except ConnectionError:
                continue
            finally:
                client.close()

    with (
        codec_server({**settings, "WORKERS": workers}, stdout=str(records)) as server,
        ThreadPoolExecutor(8) as pool,
    ):
        port = int(server.url.rpartition(":")[2])
        asking = [pool.submit(ask, port) for _ in range(8)]
        eventually(lambda: len(answered) > 200)
        assert stop(server) == 0
        for each in asking:
            each.result()
    kept = {json.loads(line)["request_id"] for line in records.read_text().splitlines()}
    assert {status for status, _ in answered} == {200}
    assert {request_id for _, request_id in answered} <= kept


@pytest.mark.parametrize("full", ["stdout", "stderr", "both"])
def test_without_room_for_records_it_refuses_and_without_room_for_messages_it_answers(
    settings: dict[str, str], full: str, tmp_path: Path
) -> None:
    """Nothing leaves unrecorded, nothing crashes, and the server still ends with status 0."""
    records = tmp_path / "records"
    stdout = str(records) if full == "stderr" else "/dev/full"
    stderr = "" if full == "stdout" else " 2>/dev/full"
    with codec_server({**settings, "ACCESS_LOG": "on"}, stdout=stdout + stderr) as server:
        replies = [encode(server) for _ in range(50)]
        assert {each.status_code for each in replies} == {200 if full == "stderr" else 500}
        assert stop(server) == 0
    if full == "stderr":
        assert len(records.read_text().splitlines()) == 50


def test_a_disk_that_fills_within_a_record_tears_that_line_alone(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """When there is room again, no record tells of an answer that did not leave."""
    records = tmp_path / "records"
    with codec_server(settings, stdout=str(records)) as server:
        pid = server.running.process.pid
        replies = [encode(server)]
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (records.stat().st_size * 5 // 2, hard))
        replies += [encode(server) for _ in range(4)]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        replies += [encode(server) for _ in range(2)]
    assert [each.status_code for each in replies] == [200, 200, 500, 500, 500, 200, 200]
    whole, torn = [], 0
    for line in records.read_text().splitlines():
        try:
            whole.append(json.loads(line)["request_id"])
        except ValueError:
            torn += 1
    good = [each.headers["x-request-id"] for each in replies if each.status_code == 200]
    assert (whole, torn) == (good, 1)


@contextmanager
def small_pipe(path: Path) -> Iterator[list[bytes]]:
    """A pipe of one page, which is often full; gives what was read when it is closed."""
    os.mkfifo(path)
    pieces: list[bytes] = []

    def read() -> None:
        with path.open("rb", buffering=0) as pipe:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
            while piece := pipe.read(4096):
                pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    yield pieces
    reader.join()


def test_records_longer_than_a_pipe_takes_as_a_whole_stay_whole_lines_with_many_workers(
    settings: dict[str, str], tmp_path: Path
) -> None:
    """A pipe takes 4,096 bytes at once: another process's record could cut what is longer."""
    with small_pipe(tmp_path / "pipe") as pieces:
        running = codec_server({**settings, "WORKERS": "4"}, stdout=str(tmp_path / "pipe"))
        with running as server, ThreadPoolExecutor(8) as pool:
            sealed = encode(server, 900).content
            asked = [
                pool.submit(server.post, "/decode", sealed, headers=BEARER) for _ in range(40)
            ] + [pool.submit(encode, server) for _ in range(160)]
            assert {each.result().status_code for each in asked} == {200}
    lines = b"".join(pieces).splitlines()
    assert len([json.loads(line) for line in lines]) == 201
    assert max(map(len, lines)) > 4096
