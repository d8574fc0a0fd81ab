"""docs/workers.md, and the lines for workers of other pages: every block of Python runs."""

import ast
import asyncio
import inspect
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.worker import Replayer

import temporal_codec
from examples.orders.workflows import OrderWorkflow
from temporal_codec import Keyring
from temporal_codec.plugin import EncryptionPlugin
from temporal_codec.temporal import EncryptionCodec, encrypting_converter
from tests.codec.rings import key
from tests.rigs.processes import ROOT
from tests.rigs.secrets_manager import Gate, client

PAGE = (ROOT / "docs/workers.md").read_text()
README = (ROOT / "README.md").read_text()
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEPLOY = (ROOT / "docs/deploy.md").read_text()
# Complete files run in tests/real/test_workers.py.
BLOCKS = [
    block
    for page in (PAGE, README, DEPLOY)
    for block in PYTHON.findall(page)
    if not block.startswith("# ")
]


@pytest.fixture
def names(moto: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a reader has, and rings by the names that the page uses."""
    ring = Keyring([key(1)]).to_json().decode()
    (tmp_path / "ring.json").write_text(ring)
    aws = client(moto)
    with suppress(aws.exceptions.ResourceExistsException):  # the tests share one Secrets Manager
        aws.create_secret(Name="temporal-codec/default", SecretString=ring)
    monkeypatch.chdir(tmp_path)
    # The client would connect when it is first used, which it never is.
    monkeypatch.setattr(Client, "connect", partial(Client.connect, lazy=True))
    known = (
        *(Client, EncryptionPlugin, EncryptionCodec, encrypting_converter),
        *(HeaderCodecBehavior, OrderWorkflow, Replayer),
    )
    return {
        "temporal_codec": temporal_codec,
        "ring": "file:ring.json",
        **{each.__name__: each for each in known},
    }


async def execute(block: str, names: dict[str, Any]) -> None:
    """Run a block, which may await."""
    code = compile(block, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs_and_encrypts(number: int, names: dict[str, Any], secrets: Gate) -> None:
    """A client or a replayer that comes of it seals with the ring's key."""
    asyncio.run(execute(BLOCKS[number], names))
    made = names.get("client") or names.get("replayer")
    if made is None:
        assert "EncryptionPlugin(" in BLOCKS[number] or "runner" in names
        return
    config = made.config(active_config=True)
    assert config["header_codec_behavior"] is HeaderCodecBehavior.CODEC
    sealed = asyncio.run(config["data_converter"].encode(["hello"]))
    assert sealed[0].metadata["encryption-key-id"] == b"key-1"
    assert secrets.reads == BLOCKS[number].count("secretsmanager:")


def test_there_are_blocks_of_each_kind() -> None:
    text = "".join(BLOCKS)
    kinds = ("Client.connect(", "Replayer(", "encrypting_converter(", "strict=True")
    assert [kind for kind in kinds if kind not in text] == []
