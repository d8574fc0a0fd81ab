"""The SAM template: routes, settings and what must never be in it."""

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest

from handlers.settings import NAMES, SettingsError, preflight_settings, server_settings
from tests.rigs.processes import ROOT
from tests.rigs.sam import SAM_PYTHON, make, sam

TEXT = (ROOT / "template.yaml").read_text()
DECODE, ENCODE, PREFLIGHT = "DecodeFunction", "EncodeFunction", "PreflightFunction"
# In the SAM CLI's own environment, where the translator of its version is; it wants a package
# that is uploaded.
EXPAND = """
import json, sys
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform
read = yaml_parse(sys.stdin.read())
uploaded = json.loads(json.dumps(read))
uploaded["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
json.dump({"read": read, "made": transform(uploaded, {}, None)}, sys.stdout)
"""

Json = dict[str, Any]


@cache
def templates() -> Json:
    """The template as it is read, and as CloudFormation makes stacks of it."""
    make("sam")
    expanded = subprocess.run(
        [SAM_PYTHON, "-c", EXPAND],
        input=TEXT,
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    both: Json = json.loads(expanded.stdout)
    return both


def function(name: str) -> Json:
    """A function's properties, the globals among them."""
    made: Json = templates()["made"]["Resources"][name]["Properties"]
    return made


def environment(name: str) -> Json:
    variables: Json = function(name)["Environment"]["Variables"]
    return variables


def of_type(kind: str) -> list[Json]:
    resources = templates()["made"]["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


def settings(**parameters: str) -> dict[str, str]:
    """The variables of the decode function in a stack with these parameters."""
    declared = templates()["read"]["Parameters"].items()
    values = {name: each.get("Default") for name, each in declared} | parameters
    return {name: values[value["Ref"]] for name, value in environment(DECODE).items()}


def test_each_route_has_its_function() -> None:
    """Just these; a typo would send a browser's preflight to a function that wants a token."""
    (api,) = of_type("AWS::ApiGatewayV2::Api")
    routes = {
        (method, path): re.findall(r"\$\{(\w+)\.Arn\}", json.dumps(route))
        for path, methods in api["Body"]["paths"].items()
        for method, route in methods.items()
    }
    assert routes == {
        ("post", "/decode"): [DECODE],
        ("post", "/encode"): [ENCODE],
        ("options", "/{proxy+}"): [PREFLIGHT],
        ("options", "/"): [PREFLIGHT],
        ("x-amazon-apigateway-any-method", "$default"): [DECODE],
    }


def test_the_gateway_leaves_cors_to_the_functions() -> None:
    """With a CORS configuration it would drop their headers, and answer every origin alike."""
    (api,) = of_type("AWS::ApiGatewayV2::Api")
    assert "CorsConfiguration" not in json.dumps(templates()["made"])
    assert "x-amazon-apigateway-cors" not in api["Body"]


def test_the_stage_adds_nothing_to_the_path() -> None:
    (stage,) = of_type("AWS::ApiGatewayV2::Stage")
    assert stage["StageName"] == "$default"


def test_the_gateway_lets_a_page_through() -> None:
    """Its own 429 has no CORS headers: its limits lie above one page's burst (L1)."""
    (stage,) = of_type("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] >= 300
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] >= 100


@pytest.mark.parametrize("name", [DECODE, ENCODE, PREFLIGHT])
def test_each_function_has_its_file_its_runtime_and_its_build(name: str) -> None:
    """A function's behaviour is one step from the template; deadlines nest (L2)."""
    properties = function(name)
    module, _, member = properties["Handler"].rpartition(".")
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
    assert re.search(rf"^(def )?{member}\b", source, re.MULTILINE)
    assert properties["Runtime"] == "python3.13"
    assert 5 < properties["Timeout"] < 30
    read = templates()["read"]["Resources"][name]
    assert read["Metadata"]["BuildMethod"] == "makefile"
    assert re.search(rf"^build-.*\bbuild-{name}\b|^build-{name}\b", makefile(), re.MULTILINE)


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def test_no_function_is_left_out() -> None:
    assert len(of_type("AWS::Lambda::Function")) == 3


def test_every_variable_is_a_setting_and_every_setting_has_one() -> None:
    """An unknown one would stop the start; one without a variable could not be set."""
    assert set(environment(DECODE)) == NAMES
    assert environment(ENCODE) == environment(DECODE)
    assert set(environment(PREFLIGHT)) == {"CODEC_ORIGINS"}


def test_every_parameter_says_what_it_is() -> None:
    parameters = templates()["read"]["Parameters"]
    assert [name for name, each in parameters.items() if not each.get("Description")] == []


def test_the_defaults_are_settings_that_start() -> None:
    """`sam local` starts with them, once it is given a key ring."""
    local = settings(Keyring="development")
    assert server_settings({**local, "AWS_SAM_LOCAL": "true"}).default_namespace is None
    cors = preflight_settings({"CODEC_ORIGINS": local["CODEC_ORIGINS"]}).cors
    assert cors.allows("https://cloud.temporal.io")


@pytest.mark.parametrize("keyring", ["development", "file:/rings/{namespace}.json"])
def test_a_stack_without_a_token_does_not_start(keyring: str) -> None:
    """An unauthenticated decoder cannot be deployed by mistake."""
    deployed = {**settings(Keyring=keyring, Auth="none"), "AWS_LAMBDA_FUNCTION_NAME": "decode"}
    with pytest.raises(SettingsError, match="refused on Lambda"):
        server_settings(deployed)


def test_a_key_ring_must_be_named() -> None:
    """No stack comes up with a ring that nobody chose."""
    assert "Default" not in templates()["read"]["Parameters"]["Keyring"]


@pytest.mark.parametrize("file", ["template.yaml", "samconfig.toml", "Makefile"])
def test_nothing_passes_as_the_sam_cli(file: str) -> None:
    """AWS_SAM_LOCAL lets a function start without a token: only the SAM CLI itself sets it."""
    assert "AWS_SAM_LOCAL" not in (ROOT / file).read_text()


def test_sam_finds_nothing_to_say() -> None:
    """`sam validate --lint`, with the options of samconfig.toml."""
    validated = sam("validate", "--lint")
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "is a valid SAM Template" in validated.stdout
