"""One account for all scenarios: each has a stack of its own name.

`make test` runs a sample; `make deploy-scenarios` runs all.
"""

import os
from collections.abc import Iterator

import pytest

from tests.rigs.cloudformation import Account, account_with_issuer

PER_NAMESPACE = {"Rings": "per-namespace"}
LONG = (
    "test_asked_then_changed",
    "test_a_second_region_takes_over",
    "test_a_combination_is_valid",
    "test_encoding_needs",
    "_needs[cloud-",
    "_needs[rings-KeyRingReader",
    *(f"_needs[sources-{policy}" for policy in ("Policy", "Shared", "ObjectKey")),
    "_needs[RotatesRings kms:",
    *(f"_needs[RotatesRings secretsmanager:{call}" for call in "DGLU"),
    "test_a_failed_first_deployment_is_tried_again",
    "test_a_ring_that_was_made_by_hand_is_adopted",
    "loses_nothing[temporal-codec]",
    "[AWS::ApiGatewayV2::Api]",
    "[AWS::SecretsManager::RotationSchedule]",
    "[AWS::SNS::Topic]",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long scenarios to their command."""
    if os.environ.get("SCENARIOS") == "all":
        return
    left = [each for each in items if "tests/deploy/" in each.nodeid and _is_long(each)]
    items[:] = [each for each in items if each not in left]
    config.hook.pytest_deselected(items=left)


def _is_long(item: pytest.Item) -> bool:
    return any(each in item.name for each in LONG)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An AWS account, in which the built functions run."""
    with account_with_issuer(tmp_path_factory.mktemp("account")) as made:
        yield made


@pytest.fixture
def stack(cloud: Account, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a stack for one test; whatever it leaves behind is nobody else's."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[5:60].strip("-")
    yield name
    cloud.forbid("")
