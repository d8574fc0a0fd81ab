"""The example workflow of examples/github/ runs commands that exist."""

import re

import yaml

from temporal_codec.cli.doctor.access import TOKEN_NEEDED
from tests.rigs.processes import ROOT


def test_the_workflow_deploys_checks_and_rolls_back() -> None:
    """It may read the repository and get a token for a role, and nothing else."""
    workflow = yaml.safe_load((ROOT / "examples/github/deploy.yaml").read_text())
    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    commands = [step["run"] for step in workflow["jobs"]["prod"]["steps"] if "run" in step]
    targets = re.findall(r"make ([a-z-]+)", "\n".join(commands))
    assert targets == ["deploy", "rollback"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in targets)
    assert f'== ["{TOKEN_NEEDED.id}"]' in "\n".join(commands), "the check needs no stored token"
    assert "[prod.deploy.parameters]" in (ROOT / "samconfig.toml").read_text()
