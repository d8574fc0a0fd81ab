"""The templates of examples/ beside a stack: what stands in front of it, and who deploys it."""

import pytest

from tests.rigs.cloudformation import Account
from tests.rigs.processes import ROOT

FUNCTIONS = ("DecodeFunction", "EncodeFunction", "PreflightFunction")
ASKS = {"Origin": "https://cloud.temporal.io", "Access-Control-Request-Method": "POST"}


@pytest.mark.timeout(300)
def test_a_private_api_leads_to_the_functions_from_one_vpc_endpoint_alone(
    cloud: Account,
) -> None:
    """The emulator knows no VPC endpoint: outside is refused, and a changed policy lets through."""
    stack = "behind-a-private-api"
    assert cloud.deploy(stack) == "CREATE_COMPLETE", cloud.why(stack)
    made, private = cloud.resources(stack), f"{stack}-private"
    given = {name: made[name] for name in FUNCTIONS} | {"VpcEndpoint": "vpce-0123abc"}
    text = (ROOT / "examples/aws/private.yaml").read_text()
    outside = text.replace("StringEquals", "StringNotEquals")
    for template, status in ((text, 403), (outside, 204)):
        done = cloud.deploy(private, given, template=template)
        assert done.endswith("E_COMPLETE"), cloud.why(private)
        api = cloud.resources(private)["Api"]
        for operation in ("decode", "download", "encode"):
            answer = cloud.call_rest(api, f"/codec/{operation}", method="OPTIONS", **ASKS)
            assert answer.status_code == status, answer.text
        if status == 204:
            assert answer.headers["access-control-allow-origin"] == ASKS["Origin"]
            for operation in ("decode", "download", "encode"):
                json = {"Content-Type": "application/json", "X-Namespace": "orders"}
                refused = cloud.call_rest(api, f"/codec/{operation}", method="POST", **json)
                assert refused.status_code in {401, 404}, "download is served with a storage only"


def test_a_firewall_and_the_deploy_role_are_created(cloud: Account) -> None:
    certificate = "arn:aws:acm:us-east-1:111122223333:certificate/1234"
    names = {"Endpoint": "a.example", "DomainName": "b.example", "CertificateArn": certificate}
    for file, given in (
        ("examples/aws/firewall.yaml", names),
        ("examples/github/deploy-role.yaml", {"Repository": "owner/name"}),
    ):
        stack = file.rpartition("/")[2].removesuffix(".yaml")
        template = (ROOT / file).read_text()
        assert cloud.deploy(stack, given, template=template) == "CREATE_COMPLETE", cloud.why(stack)
