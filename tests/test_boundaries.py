"""What may import what, and what an import may load: held in a fresh interpreter."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rigs.processes import ROOT, clean_environment
from tests.rigs.secrets_manager import CREDENTIALS

ON_SAM_LOCAL = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_SAM_LOCAL": "true", "AWS_REGION": "eu-west-1"}
SDK = {"temporalio"}
# Powertools looks for botocore's version, which costs nothing; a client is what costs.
HEAVY = {"temporalio", "botocore.session", "boto3", "jwt", "cramjam", "uvicorn", "argparse"}
EVERYTHING = {
    *HEAVY,
    "dataclasses",
    "inspect",
    "cryptography",
    "aws_lambda_powertools",
    "mangum",
    "msgspec",
    "google",
}


STANDARD = {*sys.stdlib_module_names, "certifi"}
# Nobody listens there: what is fetched at init fails at once, which is no fault.
NOWHERE = "127.0.0.1:1"
AS_DEPLOYED = {
    **CREDENTIALS,
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_ENDPOINT_URL": f"http://{NOWHERE}",
    "CODEC_AUTH": "jwt",
    "CODEC_ISSUER": f"https://{NOWHERE}/",
    "CODEC_JWKS_URL": f"https://{NOWHERE}/jwks.json",
    "CODEC_AUDIENCES": "a",
    "CODEC_KEYRING": "secretsmanager:temporal-codec/default",
    "CODEC_POLICY": "ssm:/policy",
    "CODEC_ORIGINS": "https://cloud.temporal.io",
}
# What a cold start may load, and how many modules of it: each costs a third of a millisecond.
AWS = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
CRYPTOGRAPHY = {"_cffi_backend", "_openssl", "cryptography"}
CODEC = {*CRYPTOGRAPHY, "temporal_codec", "google", "handlers", "msgspec", "pybase64"}
POWERTOOLS = {"aws_lambda_powertools", "typing_extensions"}
BUDGET = {
    "handlers.decode": ({*AWS, *CODEC, *POWERTOOLS, "mangum"}, 285),
    "handlers.encode": ({*AWS, *CODEC, *POWERTOOLS, "mangum"}, 285),
    "handlers.rotation": ({*AWS, *CODEC, *POWERTOOLS}, 238),
    "handlers.preflight": ({"handlers"}, 11),
}


def printed(script: str, settings: Mapping[str, str] = ON_SAM_LOCAL) -> list[str]:
    """The words that a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=clean_environment(settings),
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.split()


def loaded(module: str, settings: Mapping[str, str] = ON_SAM_LOCAL) -> set[str]:
    """Everything that an import brings into a fresh interpreter."""
    return set(printed(f"import sys, {module}; print(*sys.modules)", settings))


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("temporal_codec", HEAVY),
        ("temporal_codec.wire", HEAVY),
        ("handlers.decode", HEAVY),
        ("handlers.encode", HEAVY),
        ("handlers.preflight", EVERYTHING),
    ],
)
def test_an_import_does_not_load(module: str, banned: set[str]) -> None:
    """The SDK's bridge alone costs a third of a second; a preflight needs nothing at all."""
    assert not loaded(module) & banned


@pytest.mark.parametrize("module", BUDGET)
def test_a_cold_start_keeps_to_its_budget(module: str) -> None:
    """With the settings of a deployment; a change that needs more raises the budget on purpose."""
    allowed, most = BUDGET[module]
    found = loaded(module, AS_DEPLOYED) - loaded("sys", {})
    # certifi is the developer's: in an artifact botocore has its own certificates.
    own = {each for each in found if each.partition(".")[0] not in STANDARD}
    assert {each.partition(".")[0] for each in own} <= allowed
    assert len(own) <= most


@pytest.mark.parametrize("module", ["handlers.decode", "handlers.encode"])
def test_a_cold_start_loads_no_documentation(module: str, tmp_path: Path) -> None:
    """What loads them afterwards gets the real ones."""
    found = loaded(module, AS_DEPLOYED)
    assert "botocore.client" in found
    assert not {each for each in found if each.startswith("botocore.docs")} | {"html"} & found
    script = f"""
import {module}, botocore.session
from botocore.docs.docstring import ClientMethodDocstring
from botocore.docs.service import ServiceDocumenter
session = botocore.session.Session()
client = session.create_client("s3", region_name="eu-west-1")
print(client.get_paginator("list_objects_v2").paginate.__doc__ == "")
documented = ServiceDocumenter("s3", session, {str(tmp_path)!r}).document_service()
print(b"get_object" in documented)
print(client.generate_presigned_url("get_object", {{"Bucket": "b", "Key": "k"}})[:24])
"""
    assert printed(script, AS_DEPLOYED) == ["True", "True", "http://127.0.0.1:1/b/k?A"]


def test_a_common_payload_needs_no_message_class() -> None:
    """It takes a fifteenth of a cold start; what few payloads need comes with the first of them."""
    script = """
import sys
from temporal_codec import encryption, pipeline, wire
from temporal_codec.payload import Received
from temporal_codec.protobuf import serialize_all
from temporal_codec.keys.sources import open_source
keys = open_source("development").keys("default")
key = keys.sealing()
body = b'{"payloads":[{"metadata":{"encoding":"%b"},"data":"MQ=="}]}'
for encoding in (b"anNvbi9wbGFpbg==", b"b3duL2VuY29kaW5n"):  # json/plain, own/encoding
    plain = wire.read(body % encoding)
    (sealed,) = pipeline.encode(serialize_all(plain), key)
    payload = Received(encryption.sealed_metadata(key), sealed)
    (opened,) = pipeline.decode([payload], keys)
    assert wire.write([wire.render_opened(opened)]) == body % encoding
    print("google.protobuf.descriptor_pool" in sys.modules)
"""
    assert printed(script) == ["False", "True"]


@pytest.mark.parametrize("module", ["handlers.decode", "handlers.encode"])
def test_garbage_is_collected_after_the_start(module: str) -> None:
    """It is not while modules are loaded."""
    check = f"import gc, {module}; assert gc.isenabled() and gc.get_freeze_count()"
    environment = clean_environment(ON_SAM_LOCAL)
    subprocess.run([sys.executable, "-c", check], env=environment, cwd=ROOT, check=True)


def imports(file: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("**/*.py"))


COMMANDS = ROOT / "codec" / "temporal_codec" / "cli"
PACKAGE = [file for file in files("codec/temporal_codec") if COMMANDS not in file.parents]


@pytest.mark.parametrize("file", PACKAGE, ids=lambda file: file.name)
def test_the_codec_knows_nothing_of_servers(file: Path) -> None:
    """A worker imports it: no HTTP, no Lambda, no command line, no environment."""
    assert not imports(file) & {"handlers", "typer", "mangum", "uvicorn", "aws_lambda_powertools"}
    assert "os.environ" not in file.read_text()
    if file.name not in {"temporal.py", "plugin.py", "nexus.py", "nexus_interceptor.py"}:
        assert not imports(file) & SDK


@pytest.mark.parametrize("file", files("handlers"), ids=lambda file: file.name)
def test_only_the_entries_read_the_environment(file: Path) -> None:
    """They pass it to handlers.settings as an argument."""
    entries = {"decode.py", "encode.py", "preflight.py", "rotation.py", "local.py"}
    is_entry = file.parent == ROOT / "handlers" and file.name in entries
    assert ("os.environ" in file.read_text()) == is_entry
    assert not imports(file) & {"typer", *SDK}


def test_the_wheel_holds_no_server() -> None:
    """A worker's `pip install` never brings mangum, uvicorn or a handler."""
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "codec/temporal_codec"
    ]
    needs = " ".join(project["project"]["dependencies"])
    assert not [name for name in ("mangum", "uvicorn", "powertools", "jwt") if name in needs]
