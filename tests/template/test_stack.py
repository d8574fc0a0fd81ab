"""The stack that the template makes: its routes, its alarms, and what linters say of it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.rigs.parts import lack
from tests.rigs.processes import ROOT
from tests.rigs.sam import make, sam
from tests.template.test_template import Json, templates

GRADUAL = {"Gradual": "true"}
LEFT = "/temporal-codec/${AWS::StackName}"
OURS = (ROOT / "handlers" / "server" / "metrics.py").read_text()


def stack(**parameters: str) -> Json:
    """All resources of a stack with these parameters."""
    made: Json = templates(json.dumps(parameters))["made"]["Resources"]
    return made


def of_type(kind: str, resources: Json) -> dict[str, Json]:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind}


def test_every_route_has_its_function_and_no_authorizer() -> None:
    """The gateway's own refusals would have no CORS headers: the functions look at tokens."""
    resources = stack()
    found = {}
    for route in of_type("AWS::ApiGatewayV2::Route", resources).values():
        assert route["AuthorizationType"] == "NONE"
        name = re.fullmatch(r"integrations/\$\{(\w+)\}", route["Target"]["Fn::Sub"])
        assert name
        integration = resources[name[1]]["Properties"]
        condition, gradual, direct = integration["IntegrationUri"]["Fn::If"]
        assert condition == "IsGradual"
        function, attribute = direct["Fn::GetAtt"]
        assert attribute == "Arn"
        assert gradual == {"Ref": f"{function}Aliaslive"}
        assert integration["PayloadFormatVersion"] == "2.0"
        found[route["RouteKey"]] = function
    assert found == {
        "POST /decode": "DecodeFunction",
        "POST /download": "DecodeFunction",
        "POST /encode": "EncodeFunction",
        "$default": "DecodeFunction",
        "OPTIONS /{proxy+}": "PreflightFunction",
        "OPTIONS /": "PreflightFunction",
        "GET /": "PreflightFunction",
    }
    assert of_type("AWS::ApiGatewayV2::Authorizer", resources) == {}


def test_the_gateway_may_call_what_its_routes_lead_to() -> None:
    resources = stack()
    integrations = of_type("AWS::ApiGatewayV2::Integration", resources).values()
    permissions = of_type("AWS::Lambda::Permission", resources).values()
    called = [p["FunctionName"] for p in permissions if p["Principal"].startswith("apigateway")]
    assert sorted(map(str, called)) == sorted(str(each["IntegrationUri"]) for each in integrations)


def test_the_gateway_adds_no_cors_of_its_own() -> None:
    (api,) = of_type("AWS::ApiGatewayV2::Api", stack()).values()
    assert "CorsConfiguration" not in api


def test_a_page_s_burst_is_below_the_throttle() -> None:
    """L1: burst of 300 or more, 100 or more a second."""
    parameters = templates()["read"]["Parameters"]
    for name, least in (("BurstLimit", 300), ("RateLimit", 100)):
        assert parameters[name]["Default"] >= parameters[name]["MinValue"] == least


def test_the_gateway_logs_no_header() -> None:
    """A token must not stand in a log; the line is JSON and not taken for an audit record."""
    (stage,) = of_type("AWS::ApiGatewayV2::Stage", stack()).values()
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert line["event"] == "gateway.access"
    used = set(re.findall(r"\$context\.([A-Za-z.]+)", json.dumps(line)))
    assert used == {
        "requestId",
        "requestTimeEpoch",
        "routeKey",
        "status",
        "identity.sourceIp",
        "responseLength",
        "responseLatency",
        "integrationStatus",
        "error.message",
    }


def test_every_function_writes_to_the_one_log_group() -> None:
    functions = of_type("AWS::Lambda::Function", stack())
    assert {name: f["LoggingConfig"] for name, f in functions.items()} == {
        name: {"LogGroup": {"Fn::If": ["MakesLogs", {"Ref": "Logs"}, {"Fn::Sub": LEFT}]}}
        for name in functions
    }


def test_routes_call_the_function_itself_unless_asked_otherwise() -> None:
    """No CodeDeploy, and no snapshot: a changed parameter is in force at once."""
    resources = stack()
    assert of_type("AWS::CodeDeploy::DeploymentGroup", resources) == {}
    assert all("UpdatePolicy" not in each for each in resources.values())
    assert templates()["read"]["Parameters"]["Gradual"]["Default"] == "false"


def test_gradual_deployment_is_taken_back_by_alarms() -> None:
    resources = stack(**GRADUAL)
    groups = of_type("AWS::CodeDeploy::DeploymentGroup", resources)
    assert len(groups) == 3
    for name, group in groups.items():
        assert group["AutoRollbackConfiguration"]["Enabled"] is True
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        alarms = {each["Name"]["Ref"] for each in group["AlarmConfiguration"]["Alarms"]}
        assert alarms <= set(of_type("AWS::CloudWatch::Alarm", resources)), name
        assert alarms
    aliases = [each for each in resources.values() if each["Type"] == "AWS::Lambda::Alias"]
    updates = [name for each in aliases for name in each["UpdatePolicy"]]
    assert updates == ["CodeDeployLambdaAliasUpdate"] * 3
    decode = resources["DecodeFunction"]["Properties"]
    assert decode["SnapStart"]["ApplyOn"] == {"Fn::If": ["IsGradual", "PublishedVersions", "None"]}


def versions(**parameters: str) -> set[str]:
    return set(of_type("AWS::Lambda::Version", stack(**GRADUAL, **parameters)))


def test_a_changed_parameter_alone_publishes_a_version_only_with_a_new_release() -> None:
    """The old setting would go on serving, a removed origin included: so `make deploy` sets it."""
    one, other = {"Origins": "https://a.example"}, {"Origins": "https://b.example"}
    assert versions(**one) == versions(**other), "this is what has to be worked around"
    published = versions(**one, Release="aaaa")
    assert published == versions(**one, Release="aaaa")
    assert not published & versions(**other, Release="bbbb")
    assert len(published) == 3


def test_every_alarm_looks_at_a_metric_that_there_is_and_tells_somebody() -> None:
    resources = stack()
    alarms = of_type("AWS::CloudWatch::Alarm", resources)
    filters = of_type("AWS::Logs::MetricFilter", resources)
    filtered = {
        each["MetricTransformations"][0]["MetricName"]["Fn::Sub"]: each for each in filters.values()
    }
    for name, given in alarms.items():
        alarm = given
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert alarm["TreatMissingData"] == "notBreaching", "a metric of 0 is not printed"
        assert alarm["AlarmDescription"]
        if "Metrics" in alarm:
            (counted, math) = alarm["Metrics"]
            assert counted["Id"] in math["Expression"]["Fn::Sub"][0]
            alarm = alarms[name] = {**alarm, **counted["MetricStat"]["Metric"]}
        if isinstance(alarm["MetricName"], dict):
            (made,) = filtered.pop(alarm["MetricName"]["Fn::Sub"])["MetricTransformations"]
            assert alarm["Namespace"] == made["MetricNamespace"]
            continue
        (dimension,) = alarm["Dimensions"]
        if alarm["Namespace"] == "AWS/ApiGateway":
            assert dimension == {"Name": "ApiId", "Value": {"Ref": "Api"}}
        elif alarm["Namespace"] == "CodecServer":
            assert f'"{alarm["MetricName"]}"' in OURS, name
            assert dimension == {"Name": "service", "Value": {"Ref": "AWS::StackName"}}
        else:
            assert alarm["Namespace"] == "AWS/Lambda"
            assert resources[dimension["Value"]["Ref"]]["Type"] == "AWS::Lambda::Function"
    assert filtered == {}, "every line that is counted alarms"
    own = [a for a in alarms.values() if isinstance(a["MetricName"], str)]
    assert {alarm["MetricName"] for alarm in own} == {
        *("Errors", "Throttles", "Duration", "5xx"),
        *("Failed", "ColdStart", "Refused", "Undecodable", "StaleCaches", "Encoded"),
    }
    watched = {a["Dimensions"][0]["Value"]["Ref"] for a in own} - {"AWS::StackName", "Api"}
    functions = {n for n, r in resources.items() if r["Type"] == "AWS::Lambda::Function"}
    # A deployment itself fails with the function that creates the policy.
    assert watched == functions - {"PolicyFunction"}


def test_a_key_s_use_alarms_long_before_its_limit() -> None:
    """K2: if no day alarms, a key encrypts at most 2^30 payloads, its waits included."""
    alarm = stack()["KeyUseAlarm"]["Properties"]
    counted, math = alarm["Metrics"]
    assert counted["MetricStat"]["Period"] == 24 * 60 * 60
    assert alarm["Threshold"] == 2**30
    expression, given = math["Expression"]["Fn::Sub"]
    assert expression == "encoded * (${Days} + 2)"
    assert given == {"Days": {"Fn::If": ["Rotates", {"Ref": "RotationDays"}, 90]}}


def test_records_are_sent_on_where_asked() -> None:
    """Records alone, from the log group, and only to a place that the operator names."""
    copies = stack(AuditCopy="arn:aws:firehose:eu-west-1:111122223333:deliverystream/a")
    found = copies["AuditCopies"]
    assert found["Condition"] == "CopiesAudit"
    assert found["Properties"]["FilterPattern"] == '{ $.event = "codec.request" }'
    assert found["Properties"]["DestinationArn"] == {"Ref": "AuditCopy"}


def test_the_functions_count_under_the_stack_s_name() -> None:
    """Powertools reads it; two stacks in one account do not add up."""
    for name in ("DecodeFunction", "EncodeFunction"):
        variables = stack()[name]["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


def widgets() -> list[Json]:
    body = stack()["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    found: list[Json] = json.loads(re.sub(r"\$\{[^}]+\}", "x", body))["widgets"]
    return found


def test_the_dashboard_is_whole_and_shows_metrics_that_there_are() -> None:
    covered: set[tuple[int, int]] = set()
    for each in widgets():
        area = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert not covered & area, "two lie upon each other"
        covered |= area
        for metric in each["properties"].get("metrics", []):
            if metric[0] == "CodecServer":
                assert f'"{metric[1]}"' in OURS
    assert covered == {(x, y) for x in range(24) for y in range(18)}


def test_the_page_shows_the_dashboard_as_it_is() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    drawn = [cell.strip() for row in page.splitlines() for cell in row.split("│")[1:-1]]
    assert [each["properties"]["title"] for each in widgets()] == [each for each in drawn if each]


def test_the_costs_add_up() -> None:
    """Each column of the table is the sum of its rows."""
    page = (ROOT / "docs" / "deploy.md").read_text().split("## What it costs", 1)[1]
    rows = [row.strip("|").split("|") for row in page.splitlines() if row.startswith("|")]
    costs = [[float(each.strip(" *")) for each in row[2:]] for row in rows[2:11]]
    (total,) = [row for row in rows if "together" in row[0]]
    told = [float(each.strip(" *")) for each in total[2:]]
    assert [round(sum(column), 2) for column in zip(*costs, strict=True)] == told


@pytest.mark.parametrize("environment", ["default", "local", "prod"])
def test_an_environment_works_as_it_stands(environment: str) -> None:
    """Each is whole, since one takes nothing from another; what it sets are parameters."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]
    assert settings["build"]["parameters"]["build_in_source"] is True
    commands = {"local_start_api", "deploy"} & settings.keys()
    assert commands >= ({"deploy"} if environment != "local" else {"local_start_api"})
    for command in commands:
        given = settings[command]["parameters"].get("parameter_overrides", "")
        names = {pair.partition("=")[0] for pair in given.split()}
        assert names <= templates()["read"]["Parameters"].keys()
    if "deploy" in commands:
        assert settings["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
        assert settings["global"]["parameters"]["stack_name"]


def test_sam_reads_the_environments() -> None:
    """`sam validate` with each; what they say of the others is read at the same time."""
    for environment in ("default", "prod"):
        done = sam("validate", "--config-env", environment)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_parameter_stands_in_a_group() -> None:
    """`sam deploy --guided` and the console ask for them in this order."""
    read = templates()["read"]
    groups = read["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(read["Parameters"])


def test_no_variable_holds_a_secret() -> None:
    """A value is a parameter or a name of something; none has NoEcho, as none is secret."""
    parameters = templates()["read"]["Parameters"]
    assert not [name for name, each in parameters.items() if each.get("NoEcho")]
    for function in of_type("AWS::Lambda::Function", stack()).values():
        for value in function.get("Environment", {"Variables": {}})["Variables"].values():
            assert "resolve:secretsmanager" not in str(value)


SUPPRESSED = {
    "CKV_AWS_111": "The actions of a function in a VPC support no resource.",
    "CKV_AWS_115": "Concurrency is a parameter: a fresh account refuses to keep any.",
    "CKV_AWS_116": "A queue for what failed is for asynchronous calls; these are answered.",
    "CKV_AWS_117": "In a VPC of its own it would reach neither issuer nor AWS without a NAT.",
    "CKV_AWS_173": "There is nothing secret in the variables.",
    "ES1007": "A daily check that fails is an alarm of its own, RotationErrorsAlarm.",
    "ES4000": "An event that was not delivered is an alarm lost, not a payload.",
    "ES7000": "An e-mail subscription is delivered by SNS itself.",
    "W2001": "Release is used while the template is expanded.",
    "WS1002": "Secrets Manager rotates with the function that the schedule has look.",
    "WS1004": "All functions share one group, which has its retention.",
}


def lint(program: str, *arguments: str | Path) -> str:
    """What a linter prints of the expanded template."""
    try:
        make("template-lint")
    except RuntimeError as error:
        lack("what lints templates", f"it needs a Python 3.11 ({error})")
    done = subprocess.run(
        [ROOT / ".tools" / "template-lint" / "bin" / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.stdout


@pytest.fixture(params=[{}, GRADUAL], ids=["direct", "gradual"])
def expanded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The template as CloudFormation gets it: linters overlook things in SAM's own form."""
    file = tmp_path / "template.json"
    file.write_text(json.dumps(templates(json.dumps(request.param))["made"]))
    return file


def test_linters_find_nothing_that_is_not_explained(expanded: Path) -> None:
    checkov = json.loads(
        lint(
            "checkov",
            *("--file", expanded, "--framework", "cloudformation"),
            *("--quiet", "--skip-download", "--output", "json"),
        )
    )
    found = {each["check_id"] for each in checkov["results"]["failed_checks"]}
    assert checkov["summary"]["passed"] > 50
    rules = ("--append-rules", "cfn_lint_serverless.rules", "--format", "json")
    found |= {each["Rule"]["Id"] for each in json.loads(lint("cfn-lint", *rules, "--", expanded))}
    assert found == set(SUPPRESSED), "a suppression that is not needed goes, too"


GUARD = """
import sys
from cfn_guard_rs.cfn_guard_rs import run_checks_rs
told = run_checks_rs(open(sys.argv[1]).read(), open(sys.argv[2]).read(), False)
print(told[told.index("{"):])
"""


def guarded(template: Path) -> tuple[set[str], set[str]]:
    """Names of the rules that hold, and of those that do not."""
    rules = ROOT / "tests" / "template" / "template.guard"
    told = json.loads(lint("python", "-c", GUARD, template, rules))
    return set(told["compliant"]), {each["Rule"]["name"] for each in told["not_compliant"]}


def test_the_rules_of_the_guard_hold(expanded: Path) -> None:
    rules = (ROOT / "tests" / "template" / "template.guard").read_text()
    assert guarded(expanded) == (set(re.findall(r"^rule (\w+)", rules, re.MULTILINE)), set())


def test_the_guard_bites(tmp_path: Path) -> None:
    made = json.loads(json.dumps(templates()["made"]))
    del made["Resources"]["Logs"]["Properties"]["KmsKeyId"]
    made["Resources"]["PolicyReader"]["Properties"]["PolicyDocument"]["Statement"][0]["Action"] = (
        "ssm:*"
    )
    file = tmp_path / "template.json"
    file.write_text(json.dumps(made))
    _, failed = guarded(file)
    assert failed == {"logs_are_encrypted_and_outlive_the_stack", "policies_name_each_action"}
