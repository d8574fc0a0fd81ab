"""The functions' folders as `sam build` leaves them: what is inside, and that it is always that."""

import io
import marshal
import os
import subprocess
import sys
import zipfile
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path
from types import CodeType

import pytest

from artifact import processor
from artifact.bytecode import MATCHES, OURS
from artifact.digest import digest
from tests.rigs.lambda_runtime import artifact, bare_environment, interpreter
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT

FUNCTIONS = ("DecodeFunction", "EncodeFunction", "RotationFunction", "PreflightFunction")
WITH_LIBRARIES = FUNCTIONS[:3]
TEMPLATE = ROOT / "template.yaml"

pytestmark = pytest.mark.real("SAM CLI")


def make(
    target: str, folder: Path, *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What `sam build` calls, for one function and into a folder of the test's."""
    return subprocess.run(
        ["make", target, f"ARTIFACTS_DIR={folder}", *more],
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("MAKE")}, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def compiled() -> Path:
    """The decode function's folder, where the machine could compile it."""
    folder = artifact("DecodeFunction")
    if not list(folder.rglob("*.pyc")):
        lack("Python 3.13", "install it, remove .aws-sam and build again")
    return folder


@pytest.mark.parametrize("name", ["DecodeFunction", "PreflightFunction"])
def test_an_artifact_is_small(name: str) -> None:
    """Lambda fetches and unpacks it at each cold start: 10 MB as a zip file."""
    assert len(zipped(artifact(name))) < 10_000_000


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_artifact_holds_code_and_libraries_alone(name: str) -> None:
    """No SDK with its Rust bridge, no local server, nothing of a worker's or a developer's."""
    folder = artifact(name)
    entries = {each.name for each in folder.iterdir()}
    assert entries.isdisjoint({"temporalio", "uvicorn", "boto3", "tests", "codec", "benchmarks"})
    assert not [each for each in entries if each.startswith(".") or each.endswith((".toml", ".md"))]
    assert not (folder / "handlers/local.py").exists()
    package = folder / "temporal_codec"
    assert package.is_dir() == (name != "PreflightFunction")
    for each in ("plugin.py", "temporal.py", "nexus.py", "cli"):
        assert not (package / each).exists()


def test_the_preflight_artifact_holds_no_library() -> None:
    assert [each.name for each in artifact("PreflightFunction").iterdir()] == ["handlers"]


@pytest.mark.parametrize("name", WITH_LIBRARIES)
def test_a_library_comes_with_its_licence(name: str) -> None:
    """Whatever else of its description is dropped; the name and version stay for scanners."""
    described = list(artifact(name).glob("*.dist-info"))
    assert len(described) > 10
    for each in described:
        kept = {file.name.upper() for file in each.rglob("*") if file.is_file()}
        assert "METADATA" in kept
        assert [file for file in kept if file.startswith(("LICENSE", "COPYING"))], each.name


@pytest.mark.parametrize("name", WITH_LIBRARIES)
def test_libraries_are_for_the_processor_of_the_template(name: str) -> None:
    """The ELF header's machine, 62 for x86_64 and 183 for arm64."""
    wanted = {"x86_64": 62, "arm64": 183}[processor.wanted(TEMPLATE)]
    machines = {each.read_bytes()[18] for each in artifact(name).rglob("*.so")}
    assert machines == {wanted}


def test_libraries_for_another_processor_fail_the_build(tmp_path: Path) -> None:
    """SAM does not tell make the processor; on Lambda it would be found out at the first call."""
    other = {"x86_64": "arm64", "arm64": "x86_64"}[processor.wanted(TEMPLATE)]
    made = make("build-DecodeFunction", tmp_path, f"PROCESSOR={other}")
    assert made.returncode != 0
    assert f"is not for {processor.wanted(TEMPLATE)}, which the template asks for" in made.stderr


def test_bytecode_is_lambdas_and_is_never_checked() -> None:
    """3.13's magic number, and a hash that nobody compares: no source is looked at."""
    for file in compiled().rglob("*.pyc"):
        head = file.read_bytes()[:16]
        assert int.from_bytes(head[:2], "little") == 3571, "the magic number of 3.13"
        assert int.from_bytes(head[4:8], "little") == 0b01, "by hash, not to be checked"


def test_every_module_is_compiled() -> None:
    """Ours beside their source, for people who read it; of a library the bytecode alone."""
    for source in compiled().rglob("*.py"):
        assert source.relative_to(compiled()).parts[0] in OURS
        assert (source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc").is_file()


@pytest.mark.skipif(not MATCHES, reason="bytecode can be read by its own version alone")
def test_bytecode_tells_the_place_on_lambda() -> None:
    """Not the builder's: two machines build the same."""
    for file in compiled().rglob("*.pyc"):
        code = marshal.loads(file.read_bytes()[16:])
        assert isinstance(code, CodeType)
        own = file.parent.name == "__pycache__"
        source = Path(source_from_cache(str(file))) if own else file.with_suffix(".py")
        assert code.co_filename == f"/var/task/{source.relative_to(compiled())}"


@pytest.mark.parametrize("name", ["DecodeFunction", "PreflightFunction"])
def test_a_build_can_be_repeated(name: str, tmp_path: Path) -> None:
    """Another folder, another time, another seed of hashes: the same files, byte for byte."""
    first, second = tmp_path / "first", tmp_path / "another/second"
    for folder, seed in ((first, "1"), (second, "2")):
        folder.mkdir(parents=True)
        made = make(f"build-{name}", folder, PYTHONHASHSEED=seed)
        assert made.returncode == 0, made.stderr
    assert digest(first) == digest(second)


def test_functions_with_libraries_share_one_artifact() -> None:
    """So a deployment sends it once, and a reviewer checks one digest."""
    assert len({digest(artifact(name)) for name in WITH_LIBRARIES}) == 1


def test_every_module_that_a_function_may_load_is_there() -> None:
    """What is trimmed is never asked for: also what is loaded late, for AWS and for snappy."""
    late = (
        "import handlers.rotation, cramjam, handlers.server.metrics;"
        "import temporal_codec.keys.secrets_manager;"
        "from temporal_codec.aws import make_client;"
        "import temporal_codec.storage.s3;"
        "secrets, ssm, s3 = map(make_client, ('secretsmanager', 'ssm', 's3'));"
        "secrets.describe_secret, secrets.get_secret_value, secrets.put_secret_value;"
        "secrets.update_secret_version_stage, ssm.get_parameter, s3.get_object;"
        "import botocore.credentials, botocore.httpsession as web, botocore.retries.standard;"
        "assert web.get_cert_path(True).endswith('botocore/cacert.pem');"
        "web.URLLib3Session()"
    )
    done = subprocess.run(
        [*interpreter(), "-c", late],
        cwd=artifact("RotationFunction"),
        env=bare_environment({"AWS_REGION": "eu-west-1"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


REGIONS = {
    "eu-west-1": "https://{}.eu-west-1.amazonaws.com",
    "cn-north-1": "https://{}.cn-north-1.amazonaws.com.cn",
    "us-gov-west-1": "https://{}.us-gov-west-1.amazonaws.com",
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("fips", ["", "true"])
def test_aws_is_found_where_the_whole_botocore_finds_it(region: str, fips: str) -> None:
    """Its list of endpoints is cut down: the addresses are the same, in every partition."""
    ask = (
        "from temporal_codec.aws import make_client;"
        "print(*(make_client(each).meta.endpoint_url for each in ('secretsmanager', 'ssm', 's3')))"
    )
    settings = {"AWS_REGION": region, **({"AWS_USE_FIPS_ENDPOINT": fips} if fips else {})}
    told = [
        subprocess.run(
            [*command, "-c", ask],
            cwd=folder,
            env=bare_environment(settings),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for command, folder in (
            (interpreter(), artifact("DecodeFunction")),
            ([sys.executable], ROOT),
        )
    ]
    assert told[0] == told[1]
    if not fips:
        assert told[0] == [REGIONS[region].format(each) for each in ("secretsmanager", "ssm", "s3")]


def zipped(folder: Path) -> bytes:
    """A folder as `sam deploy` would send it."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    return sink.getvalue()
