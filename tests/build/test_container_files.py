"""The Dockerfile, the Compose file and the Kubernetes manifests, against their own checkers."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.settings.table import SETTINGS
from tests.rigs.parts import lack
from tests.rigs.processes import ROOT
from tests.rigs.sam import make

CHECKERS = ROOT / ".tools/release/bin"
COMPOSE = ROOT / ".tools/compose/compose"
EXAMPLES = [
    ROOT / "docs/container.md",
    ROOT / "examples/compose.yaml",
    ROOT / "examples/kubernetes/deployment.yaml",
]
MANIFESTS = sorted((ROOT / "examples/kubernetes").glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def _checkers() -> None:
    make("release-tools")


def check(*command: str | Path, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def objects() -> dict[str, dict[str, Any]]:
    """Every object of the manifests, by its kind."""
    read = [each for file in MANIFESTS for each in yaml.safe_load_all(file.read_text())]
    found = {each["kind"]: each for each in read}
    assert len(found) == len(read)
    return found


def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    """And it does look: a Dockerfile with known faults is refused."""
    linted = check(CHECKERS / "hadolint", ROOT / "Dockerfile")
    assert linted.returncode == 0, linted.stdout
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM debian:latest\nRUN cd /tmp && sudo ls\n")
    assert "DL3007" in check(CHECKERS / "hadolint", wrong).stdout


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
def test_kubernetes_accepts_every_object(version: str, tmp_path: Path) -> None:
    """Its own schemas, strictly; and they do refuse: a misspelled member is found."""
    command: list[str | Path] = [CHECKERS / "kubernetes-validate", "--strict", "-k", version]
    validated = check(*command, *MANIFESTS)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    wrong = tmp_path / "wrong.yaml"
    text = (ROOT / "examples/kubernetes/deployment.yaml").read_text()
    wrong.write_text(text.replace("readOnlyRootFilesystem", "readonlyRootFilesystem"))
    assert check(*command, wrong).returncode != 0


def test_everything_that_a_deployment_needs_is_there() -> None:
    assert set(objects()) == {
        *("Deployment", "Service", "Ingress", "NetworkPolicy", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "ConfigMap", "ServiceAccount"),
    }


def test_every_selector_finds_the_pods() -> None:
    """One label, the same in each; ports are named, and the names exist."""
    found = objects()
    pod = found["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    selectors = [
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ]
    assert selectors == [labels] * 4
    (port,) = pod["spec"]["containers"][0]["ports"]
    assert port["name"] == found["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == "http"
    assert f"PORT={port['containerPort']}" in (ROOT / "Dockerfile").read_text()
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    assert "replicas" not in found["Deployment"]["spec"], "the autoscaler's"


def test_what_is_mounted_is_what_the_settings_name() -> None:
    """The ring from the Secret, also the one of External Secrets; the policy from the ConfigMap."""
    found = objects()
    spec = found["Deployment"]["spec"]["template"]["spec"]
    settings = {each["name"]: each["value"] for each in spec["containers"][0]["env"]}
    mounts = {each["name"]: each for each in spec["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert all(each["readOnly"] and "subPath" not in each for each in mounts.values())
    external = yaml.safe_load(
        (ROOT / "examples/kubernetes/external-secrets/keyring.yaml").read_text()
    )
    assert volumes["keyring"]["secret"]["secretName"] == external["spec"]["target"]["name"]
    key = external["spec"]["data"][0]["secretKey"]
    assert settings["CODEC_KEYRING"] == f"file:{mounts['keyring']['mountPath']}/{key}"
    policy = found["ConfigMap"]
    assert volumes["policy"]["configMap"]["name"] == policy["metadata"]["name"]
    (name,) = policy["data"]
    assert settings["CODEC_POLICY"] == f"file:{mounts['policy']['mountPath']}/{name}"
    assert json.loads(policy["data"][name])["grants"]


def test_the_pod_is_as_bound_as_the_image_allows() -> None:
    """No root, nothing written, no capability, no token of Kubernetes, a bound on memory."""
    spec = objects()["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert spec["securityContext"]["runAsUser"] == int(user[1])
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def compose() -> dict[str, Any]:
    """The Compose file as Compose's own parser reads it."""
    make("compose")
    if not COMPOSE.exists():
        lack("Compose's parser", "install Go")
    read = check(COMPOSE, "-format", "json", "compose.yaml", folder=ROOT / "examples")
    assert read.returncode == 0, read.stdout + read.stderr
    found: dict[str, Any] = json.loads(read.stdout)
    return found


@pytest.mark.real("Compose's parser")
def test_compose_reads_the_example_and_builds_this_checkout() -> None:
    services = compose()["services"]
    assert set(services) == {"postgresql", "temporal", "temporal-ui", "codec-server"}
    assert Path(services["codec-server"]["build"]["context"]) == ROOT


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_setting_of_the_examples_is_one(file: Path) -> None:
    """A server does not start with an unknown `CODEC_*` variable."""
    named = set(re.findall(r"(?<!TEMPORAL_)\bCODEC_[A-Z_]+\b", file.read_text()))
    assert named
    assert named <= set(SETTINGS)


@pytest.mark.real("Compose's parser")
def test_compose_publishes_to_this_machine_alone() -> None:
    """The Codec Server has the well-known keys there, and requires no token."""
    services = compose()["services"]
    published = [port for each in services.values() for port in each.get("ports", ())]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


@pytest.mark.real("Compose's parser")
def test_the_web_ui_of_compose_is_configured_with_the_codec_server() -> None:
    """The browser's address of the one is an origin of the other."""
    services = compose()["services"]
    codec, ui = services["codec-server"], services["temporal-ui"]
    (asked,) = codec["ports"]
    assert ui["environment"]["TEMPORAL_CODEC_ENDPOINT"] == f"http://localhost:{asked['published']}"
    (page,) = ui["ports"]
    assert codec["environment"]["CODEC_ORIGINS"] == f"http://localhost:{page['published']}"
    assert codec["read_only"]
    assert codec["cap_drop"] == ["ALL"]
