"""Rings that are fetched together: what one call refreshes, and what it leaves alone."""

from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from temporal_codec import Key, Keyring, KeyringUnavailable, open_source
from temporal_codec.keys.secrets_manager import SecretsManagerLoader
from temporal_codec.keys.sources import RingSource
from temporal_codec.keys.together import AT_MOST, IDLE_ROUNDS
from tests.codec.clock import FakeClock
from tests.codec.rings import SINCE, key
from tests.rigs.secrets_manager import Gate, client

SOON_STALE = 299


def ring(*numbers: int) -> str:
    return Keyring([key(number) for number in numbers]).to_json().decode()


@pytest.fixture
def aws(moto: int) -> Any:
    return client(moto)


@pytest.fixture
def place(aws: Any) -> str:
    """Thirty namespaces, n0 to n29, each with a ring of its own."""
    prefix = f"temporal-codec/{uuid4()}"
    for number in range(30):
        aws.create_secret(Name=f"{prefix}/n{number}", SecretString=ring(number))
    return prefix


def source(place: str, clock: FakeClock) -> RingSource:
    opened = open_source(f"secretsmanager:{place}/{{namespace}}", clock)
    assert isinstance(opened, RingSource)
    return opened


def use(rings: RingSource, *numbers: int) -> None:
    for number in numbers:
        assert rings.keys(f"n{number}").sealing() == key(number)


def test_one_call_refreshes_twenty_rings_in_use(
    place: str, secrets: Gate, clock: FakeClock
) -> None:
    """Each namespace gets its own ring, and a fetch of its own only at first."""
    rings = source(place, clock)
    for _ in range(2):
        use(rings, *range(30))
    assert secrets.calls == ["GetSecretValue"] * 30
    clock.advance(301)
    secrets.calls.clear()
    use(rings, *range(30))
    assert secrets.calls == ["BatchGetSecretValue"] * 2


def test_a_changed_ring_arrives_with_another_ones(
    aws: Any, place: str, secrets: Gate, clock: FakeClock
) -> None:
    """It is fresh from then on, and has its own age."""
    rings = source(place, clock)
    use(rings, 1, 2, 1, 2)
    aws.put_secret_value(SecretId=f"{place}/n2", SecretString=ring(2, 9))
    clock.advance(301)
    use(rings, 1)
    secrets.calls.clear()
    assert rings.keys("n2").opening(b"key-9") == key(9)
    assert secrets.calls == []


def test_a_ring_that_nobody_uses_is_not_fetched_for_ever(
    place: str, secrets: Gate, clock: FakeClock
) -> None:
    """It comes along some times, and then leaves the row."""
    rings = source(place, clock)
    use(rings, 1, 2, 1, 2)
    secrets.calls.clear()
    for _ in range(IDLE_ROUNDS + 3):
        clock.advance(301)
        use(rings, 1)
    together = secrets.calls.count("BatchGetSecretValue")
    assert 0 < together <= IDLE_ROUNDS + 1
    assert secrets.calls[together:] == ["GetSecretValue"] * (IDLE_ROUNDS + 3 - together)


def test_a_ring_in_use_is_never_left_out(place: str, secrets: Gate, clock: FakeClock) -> None:
    """However often it was refreshed with another one: one call in each round serves both."""
    rings = source(place, clock)
    use(rings, 1, 2, 1, 2)
    secrets.calls.clear()
    for _ in range(2 * IDLE_ROUNDS + 2):
        clock.advance(301)
        use(rings, 1, 2)
    assert secrets.calls == ["BatchGetSecretValue"] * (2 * IDLE_ROUNDS + 2)


def test_a_broken_ring_is_left_to_its_own_fetch(
    aws: Any, place: str, secrets: Gate, clock: FakeClock
) -> None:
    """The last good one serves on, and the others are refreshed."""
    rings = source(place, clock)
    use(rings, 1, 2, 3, 4, 1, 2, 3, 4)
    later = Keyring([Key("later", bytes(32), SINCE.replace(year=2099))]).to_json().decode()
    aws.put_secret_value(SecretId=f"{place}/n2", SecretString="no ring")
    aws.put_secret_value(SecretId=f"{place}/n3", SecretString=later)
    aws.delete_secret(SecretId=f"{place}/n4")
    clock.advance(301)
    use(rings, 1)
    assert secrets.calls[-1] == "BatchGetSecretValue"
    use(rings, 2, 3, 4)
    assert rings.keys("n2").is_stale
    assert rings.keys("n3").is_stale


class Denied:
    """A client of a role whose policy is older than the permission for several secrets."""

    def __init__(self, own: Any, code: str) -> None:
        self.own, self.code, self.batches = own, code, 0
        self.get_secret_value = own.get_secret_value

    def batch_get_secret_value(self, SecretIdList: list[str]) -> None:  # noqa: N803
        assert len(SecretIdList) <= AT_MOST
        self.batches += 1
        raise ClientError({"Error": {"Code": self.code}}, "BatchGetSecretValue")


def test_a_role_that_may_not_read_several_reads_one_by_one(
    aws: Any, place: str, clock: FakeClock
) -> None:
    """It asks once, and never again."""
    denied = Denied(aws, "AccessDeniedException")
    load = SecretsManagerLoader(f"{place}/{{namespace}}", denied)
    rings = RingSource("secretsmanager:{namespace}", load, clock)
    for _ in range(3):
        use(rings, 1, 2, 3, 1, 2, 3)
        clock.advance(301)
    assert denied.batches == 1


def test_an_outage_is_not_asked_twice(aws: Any, place: str, clock: FakeClock) -> None:
    """A second call would double what a request waits."""
    down = Denied(aws, "InternalServiceError")
    load = SecretsManagerLoader(f"{place}/{{namespace}}", down)
    with pytest.raises(KeyringUnavailable, match="InternalServiceError"):
        load.several(["n1", "n2"])
    rings = RingSource("secretsmanager:{namespace}", load, clock)
    use(rings, 1, 2, 1, 2)
    clock.advance(301)
    down.get_secret_value = None
    use(rings, 1)
    assert rings.keys("n1").is_stale
