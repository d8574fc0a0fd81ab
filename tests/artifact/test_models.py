"""botocore's descriptions are cut to what is called, and stay whole for that."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from artifact.models import CALLED, cut, with_operations
from tests.rigs.processes import ROOT

MODEL: dict[str, Any] = {
    "metadata": {"serviceId": "Some"},
    "operations": {
        "Get": {"input": {"shape": "Question"}, "errors": [{"shape": "Fault"}]},
        "Delete": {"input": {"shape": "Other"}},
    },
    "shapes": {
        "Question": {"type": "structure", "members": {"shape": {"shape": "List"}}},
        "List": {"type": "list", "member": {"shape": "Question"}},
        "Fault": {"type": "structure", "members": {}},
        "Other": {"type": "string"},
    },
}


def test_what_an_operation_needs_stays() -> None:
    """However deep, in a circle, and where a member has the name of what tells a shape."""
    kept = with_operations(MODEL, ("Get",))
    assert kept["metadata"] == MODEL["metadata"]
    assert kept["operations"] == {"Get": MODEL["operations"]["Get"]}
    assert kept["shapes"] == {name: MODEL["shapes"][name] for name in ("Question", "List", "Fault")}


def test_an_operation_that_botocore_does_not_know_ends_the_build() -> None:
    with pytest.raises(KeyError, match="does not know Put"):
        with_operations(MODEL, ("Get", "Put"))


def test_whatever_the_code_names_stays() -> None:
    """Or its client could not be made on Lambda, though it can on a laptop."""
    roots = (ROOT / "codec/temporal_codec", ROOT / "handlers")
    files = [file for root in roots for file in root.rglob("*.py") if "cli" not in file.parts]
    text = "".join(file.read_text() for file in files)
    assert set(re.findall(r"(?:make_client|[sS]ervice)\(\"(\w+)\"", text)) == CALLED.keys()
    kept = {xform_name(each) for operations in CALLED.values() for each in operations}
    asked = set(re.findall(r"ask\(\s*\"(\w+)\"", text))
    assert {"decrypt", "generate_data_key", "get_object", "get_parameter"} <= asked <= kept


def test_files_are_replaced_and_never_written_into(tmp_path: Path) -> None:
    """The builder's cache holds the same files by links."""
    data = tmp_path / "botocore/data"
    packed = data / "ssm/2014-11-06/service-2.json.gz"
    packed.parent.mkdir(parents=True)
    model = {**MODEL, "operations": {CALLED["ssm"][0]: MODEL["operations"]["Get"]}}
    packed.write_bytes(gzip.compress(json.dumps(model).encode()))
    endpoints = data / "endpoints.json"
    endpoints.write_text(json.dumps({"partitions": [{"services": {"ssm": {}, "ec2": {}}}]}))
    (tmp_path / "cache.gz").hardlink_to(packed)
    (tmp_path / "cache.json").hardlink_to(endpoints)
    before = (tmp_path / "cache.json").read_bytes(), (tmp_path / "cache.gz").read_bytes()
    cut(tmp_path)
    assert ((tmp_path / "cache.json").read_bytes(), (tmp_path / "cache.gz").read_bytes()) == before
    assert not packed.exists()
    assert json.loads(packed.with_suffix("").read_text())["operations"].keys() == {"GetParameter"}
    assert json.loads(endpoints.read_text()) == {"partitions": [{"services": {"ssm": {}}}]}
