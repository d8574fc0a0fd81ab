"""One account for all scenarios: each has a stack of its own name."""

from collections.abc import Iterator

import pytest

from tests.rigs.cloudformation import Account, account


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An AWS account, in which the built functions run."""
    with account(tmp_path_factory.mktemp("account")) as made:
        yield made


@pytest.fixture
def stack(cloud: Account, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a stack for one test; whatever it leaves behind is nobody else's."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[5:60].strip("-")
    yield name
    cloud.forbid("")
