"""Rings of many namespaces, without a stack each and with one, as the pages type it."""

from typing import Any

from tests.codec.cli.terminal import PROGRAM
from tests.deploy.conftest import PER_NAMESPACE
from tests.rigs.cloudformation import Account
from tests.rigs.processes import ROOT


def test_rings_in_bulk_get_their_first_keys(cloud: Account, stack: str, tmp_path: Any) -> None:
    """The stack's own function rotates each in four real steps; a second run changes nothing."""
    assert cloud.deploy(stack, PER_NAMESPACE) == "CREATE_COMPLETE", cloud.why(stack)
    names = [f"bulk-{number}.a1b2c" for number in range(5)]
    file = tmp_path / "namespaces.txt"
    file.write_text("\n".join(names))
    command = (PROGRAM, "keys", "enroll", file, "--stack", stack)
    done = cloud.run(*command)
    assert (done.returncode, done.stdout) == (0, "5 made, in rotation.\n"), done.stderr
    for name in names:
        (key,) = cloud.ring(f"temporal-codec/{name}")
        assert key["derive"] == "namespace"
    cloud.rotated([f"temporal-codec/{name}" for name in names])
    done = cloud.run(*command)
    assert (done.returncode, done.stdout) == (0, "5 in rotation already.\n"), done.stderr


def test_a_ring_with_a_stack_of_its_own_is_adopted_after_a_deletion(
    cloud: Account, stack: str
) -> None:
    """keyring.yaml: the key stays when its stack goes, and the next stack of that name has it."""
    assert cloud.deploy(stack, PER_NAMESPACE) == "CREATE_COMPLETE", cloud.why(stack)
    template, ring = (ROOT / "keyring.yaml").read_text(), f"temporal-codec/{stack}"
    given = {"Namespace": stack, "CodecStack": stack}
    own = f"{stack}-ring"
    assert cloud.deploy(own, given, template=template) == "CREATE_COMPLETE", cloud.why(own)
    keys = cloud.ring(ring)
    cloud.rotated([ring])
    cloud.delete(own)
    arn = cloud.client("secretsmanager").describe_secret(SecretId=ring)["ARN"]
    given["ExistingRing"] = arn
    assert cloud.deploy(own, given, template=template) == "CREATE_COMPLETE", cloud.why(own)
    assert cloud.ring(ring, 2)[:1] == keys
