"""The first hour of each role: what its pages say, typed in an empty home, does what they promise.

The pages' whole sessions are run in test_readme.py and test_operations.py, the S3 worker in
tests/real/test_workers.py, the installation in tests/real/test_wheel.py, and `make deploy` in
tests/deploy/test_typed.py. What is missing here leads from one page to the next.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import FENCED
from tests.rigs.issuer import EMAIL_CLAIM, Issuer, claims, issuer, token
from tests.rigs.newcomer import Newcomer
from tests.rigs.processes import ROOT
from tests.rigs.temporal import DevServer, dev_server

BODY = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "ImNhbmFyeSI="}]}


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


@pytest.fixture(scope="module")
def service() -> Iterator[DevServer]:
    with dev_server() as running:
        yield running


@pytest.fixture
def at_temporal(newcomer: Newcomer, service: DevServer) -> Newcomer:
    """Somebody who has a Temporal Service, on another port than the pages'."""
    newcomer.variables["TEMPORAL_ADDRESS"] = service.address
    newcomer.instead["localhost:7233"] = service.address
    return newcomer


@pytest.fixture
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


def ask(server: str, headers: dict[str, str]) -> httpx.Response:
    """Ask for a payload as a client does."""
    sent = {"x-namespace": "orders-eu.a1b2c", **headers}
    return httpx.post(f"http://{server}/decode", json=BODY, headers=sent, trust_env=False)


@pytest.mark.real("Temporal")
def test_a_developer_at_the_web_ui(at_temporal: Newcomer) -> None:
    """README, then connect.md, local.md and doctor.md: ciphertext without, plaintext with."""
    she = at_temporal
    with she.serves() as server:
        start = "temporal workflow start --type Greeting --task-queue demo --workflow-id greeting"
        server_option = " --codec-endpoint http://127.0.0.1:8081"
        she.types("README.md", f"{start} --input '\"Hello, Temporal!\"'{server_option}")
        show = "temporal workflow show --workflow-id greeting --detailed"
        assert "Hello, Temporal!" not in she.types("README.md", show)
        assert "Hello, Temporal!" in she.types("README.md", show + server_option)
        config = "temporal config set --prop codec.endpoint --value http://127.0.0.1:8081"
        she.types("docs/connect.md", config)
        assert "Hello, Temporal!" in she.types("README.md", show)
        doctor = "temporal-codec doctor http://127.0.0.1:8081 --origin http://localhost:8233"
        assert "Decoding works." in she.types("docs/doctor.md", doctor)
        elsewhere = doctor.replace("localhost:8233", "temporal.example.com").replace(
            "--origin http:", "--origin https:"
        )
        assert "CODEC_ORIGINS" in she.types("docs/doctor.md", elsewhere, ends=1)
        page = httpx.get(f"http://{she.instead['127.0.0.1:8081']}/", trust_env=False)
        assert page.headers["content-type"].startswith("text/html")
    she.types("docs/local.md", "temporal-codec keys new ~/ring.json")
    with she.serves(CODEC_KEYRING=f"file:{she.home}/ring.json") as server:
        she.types("docs/connect.md", config)
        assert "Hello, Temporal!" not in she.types("README.md", show)
        assert "WARNING" not in server.log()


@pytest.mark.real("Temporal")
def test_a_worker_s_author(at_temporal: Newcomer) -> None:
    """workers.md and histories.md: the printed file runs, and nothing is left in plaintext."""
    he = at_temporal
    page = (ROOT / "docs/workers.md").read_text()
    printed = next(text for _, text in FENCED.findall(page) if text.startswith("# hello.py"))
    file = he.home / "hello.py"
    file.write_text(printed.replace('"development"', '"file:ring.json"'))
    missing = he.types("docs/workers.md", "python hello.py", ends=1)
    assert "there is no key ring file:" in missing
    assert "ring.json" in missing
    he.types("docs/workers.md", "temporal-codec keys new file:ring.json")
    assert he.types("docs/workers.md", "python hello.py") == "Hello, Ada!\n"
    he.instead |= {"order-1 --namespace orders": "hello --namespace default", "order-1": "hello"}
    scan = "temporal-codec history scan --workflow-id order-1 --namespace orders"
    he.types("docs/workers.md", f"{scan} --address localhost:7233")
    he.types(
        "docs/storage.md",
        "temporal workflow show --workflow-id order-1 --output json > history.json",
    )
    assert "Ada" not in (he.home / "history.json").read_text()
    offline = "temporal-codec history scan history.json"
    he.types("docs/histories.md", f"{offline} --ring file:ring.json")
    decode = (
        "temporal-codec history decode history.json --ring file:ring.json --output decoded.json"
    )
    he.types("docs/histories.md", decode)
    decoded = (he.home / "decoded.json").read_text()
    (he.home / "history.json").write_text(decoded)
    assert "plaintext" in he.types("docs/histories.md", offline, ends=1)


def guarded(person: Newcomer, provider: Issuer) -> dict[str, str]:
    """The settings of container.md's server with keys and tokens, for this issuer."""
    text = (ROOT / "docs/container.md").read_text()
    command = next(text for _, text in FENCED.findall(text) if "CODEC_KEYRING=" in text)
    settings = dict(re.findall(r"-e (\w+)=(\S+)", command))
    told = {
        name: value.replace("file:/", f"file:{person.home}/") for name, value in settings.items()
    }
    return {**told, **provider.settings()}


def test_a_platform_engineer(newcomer: Newcomer, provider: Issuer) -> None:
    """operations.md, deploy.md, container.md: a ring, a policy, a server that asks for tokens."""
    she = newcomer
    (she.home / "keyring").mkdir()
    (she.home / "policy").mkdir()
    deploy = (ROOT / "docs/deploy.md").read_text()
    policy = next(re.finditer(r"^\$ cat policy.json\n(.*)$", deploy, re.MULTILINE))[1]
    (she.home / "policy.json").write_text(policy)
    check = "temporal-codec policy check policy.json --identity ana@example.com"
    asked = f"{check} --namespace orders-eu.a1b2c --operation decode"
    assert "allowed by grants[0]" in she.types("docs/deploy.md", asked)
    for command in ("new", "check", "rotate", "list"):
        she.types("docs/operations.md", f"temporal-codec keys {command} orders.json")
    settings = guarded(she, provider)
    with she.serves(**settings) as server:
        assert "WARNING" in server.log(), "it names what is not there yet"
        assert settings["CODEC_KEYRING"] in server.log()
    shutil.copy(she.home / "orders.json", she.home / "keyring/ring.json")
    shutil.copy(she.home / "policy.json", she.home / "policy/policy.json")
    with she.serves(**settings):
        ready = f"http://{she.instead['127.0.0.1:8081']}/healthz?ready=1"
        assert httpx.get(ready, trust_env=False).status_code == 200
        she.instead["https://codec.example.com"] = "--cli http://127.0.0.1:8081".replace(
            "127.0.0.1:8081", she.instead["127.0.0.1:8081"]
        )
        doctor = "temporal-codec doctor https://codec.example.com"
        assert "token-needed" in she.types("docs/container.md", doctor, ends=1)
        she.variables["TEMPORAL_CODEC_TOKEN"] = token()
        assert "namespace-refused" in she.types("docs/container.md", doctor, ends=1)
        she.instead["https://codec.example.com"] += " --namespace orders-eu.a1b2c"
        assert "token-accepted" in she.types("docs/container.md", doctor)


def test_a_security_engineer(newcomer: Newcomer, provider: Issuer) -> None:
    """policy.md, security.md, audit.md: who is refused, what says why, and what never leaks."""
    he = newcomer
    page = (ROOT / "docs/policy.md").read_text()
    (he.home / "policy.json").write_text(
        next(b for kind, b in FENCED.findall(page) if kind == "json")
    )
    assert "valid policy with 3" in he.types(
        "docs/policy.md", "temporal-codec policy check policy.json"
    )
    known, unknown = "ana@example.com", "eve@other.example"
    ana, stranger = (
        token(payload=claims(sub=f"auth0|{each}", **{EMAIL_CLAIM: each}))
        for each in (known, unknown)
    )
    (he.home / "token").write_text(stranger)
    explain = "temporal-codec policy explain policy.json --token-file token"
    assert "denied" in he.types("docs/policy.md", f"{explain} --namespace orders-eu.a1b2c", ends=1)
    he.types("docs/workers.md", "temporal-codec keys new file:ring.json")
    files = {
        "CODEC_POLICY": f"file:{he.home}/policy.json",
        "CODEC_KEYRING": f"file:{he.home}/ring.json",
    }
    with he.serves(**provider.settings(), **files) as server:
        here = he.instead["127.0.0.1:8081"]
        refused = [ask(here, sent) for sent in ({}, {"authorization": "Bearer garbage"})]
        assert {each.status_code for each in refused} == {401}
        assert len({each.json()["title"] + each.json().get("detail", "") for each in refused}) == 1
        assert provider.fetches <= 1, "none for them: the server warmed itself at start"
        assert ask(here, {"authorization": f"Bearer {stranger}"}).status_code == 403
        assert ask(here, {"authorization": f"Bearer {ana}"}).status_code == 200
        log = server.log()
    assert not any(each in log for each in (ana, stranger, "canary", "ImNhbmFyeSI="))
    lines = [json.loads(line) for line in log.splitlines() if '"codec.request"' in line]
    assert [(each["outcome"], each.get("reason")) for each in lines] == [
        *[("refused", "token")] * 2,
        ("refused", "denied"),
        ("answered", None),
    ]
    assert lines[-1]["rule"] == "grants[0]"
    assert {name for each in lines for name in each} <= set(
        re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/audit.md").read_text(), re.MULTILINE)
    )
