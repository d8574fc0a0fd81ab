"""The container image under a real Docker: small, without root, without a shell, bounded."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml

from temporal_codec.keys.keyring import development_ring
from tests.rigs.docker import Docker, docker
from tests.rigs.issuer import issuer, token
from tests.rigs.processes import ROOT, free_port, listens
from tests.rigs.sam import make
from tests.vectors_read import payloads, vectors

NAME = "temporal-codec-server:test"
BOUND = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--memory", "256m"),
)
HARDENED = (*BOUND, "--network", "host")
PAGE = (ROOT / "docs/container.md").read_text()
JSON = {"content-type": "application/json"}

pytestmark = pytest.mark.real("Docker")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Docker]:
    """A Docker with the image, built on the Debian that debootstrap made."""
    make("release-tools")
    with docker() as own:
        own.load("debian.tar", "debian:test")
        own.load("python.tar", "python:test")
        # The build fetches its packages as this machine does.
        bases = "--build-arg BASE=debian:test --build-arg RUNTIME=python:test"
        arguments = (f"IMAGE={NAME}", f"IMAGE_ARGS=--network host {bases}")
        built = own.make("image", *arguments, DOCKER_BUILDKIT="0")
        assert built.returncode == 0, built.stdout + built.stderr
        yield own


@contextmanager
def container(daemon: Docker, *options: str, **settings: str) -> Iterator[tuple[str, int]]:
    """Run the image, hardened as docs/container.md says; gives its name and port."""
    port = free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), **settings}
    given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    name = f"codec-{port}"
    with started(daemon, name, port, *HARDENED, *given, *options):
        yield name, port


@contextmanager
def started(daemon: Docker, name: str, port: int, *options: str) -> Iterator[None]:
    """Run the image with these options until it listens; it is removed afterwards."""
    daemon.run("run", "--detach", "--name", name, *options, NAME)
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            logs = daemon.attempt("logs", name)
            assert time.monotonic() < deadline, logs.stdout + logs.stderr
            time.sleep(0.05)
        yield
    finally:
        daemon.attempt("rm", "--force", name)


def test_it_decodes_what_the_samples_encrypt(daemon: Docker) -> None:
    """As `make run` does, without root, with a root file system that nobody can write."""
    (sample,) = [each for each in vectors() if each.name == "go-encryption-json-plain"]
    with container(daemon) as (_, port):
        reply = httpx.post(
            f"http://127.0.0.1:{port}/decode",
            content=sample.body,
            headers={**JSON, "x-namespace": "default"},
            trust_env=False,
        )
    assert reply.status_code == 200
    assert payloads(reply.json()) == payloads(sample.expected)


def test_it_runs_as_nobody_in_particular(daemon: Docker) -> None:
    """A user id without a name, without a capability."""
    with container(daemon) as (name, _):
        told = daemon.run("exec", name, "python3", "-c", "print(open('/proc/self/status').read())")
    status = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == {"65532"}
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_there_is_no_shell(daemon: Docker) -> None:
    """Nothing in it needs one, so a runtime image without one serves."""
    tried = daemon.attempt("run", "--rm", "--entrypoint", "/bin/sh", NAME, "-c", "true")
    assert tried.returncode != 0
    assert "no such file" in tried.stderr


def test_it_is_small(daemon: Docker) -> None:
    """At most 60 MB above the runtime image that it stands on."""
    sizes = [
        int(daemon.run("image", "inspect", "--format", "{{.Size}}", name))
        for name in (NAME, "python:test")
    ]
    assert sizes[0] - sizes[1] < 60_000_000


def test_it_has_the_server_alone(daemon: Docker) -> None:
    """No command line, no worker's part, no build tool."""
    script = (
        "import importlib.util as u; print([n for n in ('pip', 'uv', 'temporalio', 'typer', "
        "'tests', 'artifact', 'temporal_codec.cli', 'temporal_codec.plugin') if u.find_spec(n)])"
    )
    told = daemon.run("run", "--rm", "--entrypoint", "python3", NAME, "-c", script)
    assert told.strip() == "[]"


def test_it_does_not_serve_everybody_by_default(daemon: Docker) -> None:
    """It listens beyond the container, so without tokens it refuses to start, with a sentence."""
    tried = daemon.attempt("run", "--rm", *HARDENED, NAME)
    assert tried.returncode == 1
    assert tried.stderr.startswith("codec-server: HOST beyond loopback")
    assert "Traceback" not in tried.stderr


def test_a_request_on_its_way_is_answered_after_sigterm(daemon: Docker) -> None:
    """`docker stop` drains: the answer comes, and the exit status is 0."""
    with container(daemon) as (name, port):
        sent = threading.Event()

        def body() -> Iterator[bytes]:
            yield b'{"payloads":'
            sent.set()
            time.sleep(1)
            yield b"[]}"

        replies: list[httpx.Response] = []

        def ask() -> None:
            url = f"http://127.0.0.1:{port}/decode"
            headers = {**JSON, "x-namespace": "default"}
            with httpx.Client(trust_env=False, timeout=30) as client:
                replies.append(client.post(url, content=body(), headers=headers))

        asking = threading.Thread(target=ask)
        asking.start()
        assert sent.wait(30)
        daemon.run("stop", "--time", "20", name)
        asking.join(30)
        assert [reply.status_code for reply in replies] == [200]
        assert daemon.run("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "0"


def test_its_memory_is_bounded(daemon: Docker) -> None:
    """The largest bodies, eight at once, within 256 MB: nothing is killed."""
    data = "A" * 4_400_000
    largest = f'{{"payloads":[{{"metadata":{{"encoding":"anNvbi9wbGFpbg=="}},"data":"{data}"}}]}}'
    with container(daemon) as (name, port):
        statuses: list[int] = []

        def ask() -> None:
            with httpx.Client(trust_env=False, timeout=60) as client:
                url = f"http://127.0.0.1:{port}/decode"
                headers = {**JSON, "x-namespace": "default"}
                statuses.append(client.post(url, content=largest, headers=headers).status_code)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 8
        assert daemon.run("inspect", "--format", "{{.State.OOMKilled}}", name).strip() == "false"


def test_its_bill_lists_libraries_and_debian_packages(daemon: Docker) -> None:
    """`make image` writes it beside the image; it names the image's own id."""
    bill = json.loads((ROOT / "dist/image.cdx.json").read_text())
    purls = {each["purl"].partition("@")[0] for each in bill["components"]}
    assert {"pkg:pypi/uvicorn", "pkg:pypi/cryptography", "pkg:deb/debian/python3.13"} <= purls
    identity = daemon.run("image", "inspect", "--format", "{{.Id}}", NAME).strip()
    assert identity in {each["value"] for each in bill["metadata"]["component"]["properties"]}


def healthy(port: int, query: str = "") -> httpx.Response:
    """What a probe is answered, once the port is forwarded to the process."""
    url = f"http://127.0.0.1:{port}/healthz{query}"
    deadline = time.monotonic() + 30
    while True:
        try:
            return httpx.get(url, trust_env=False, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_laptops_line_serves_this_machine(daemon: Docker) -> None:
    """docs/container.md: a published port, and `CODEC_OPEN` says that it is this machine's own."""
    (line,) = re.findall(r"^docker run .*CODEC_OPEN.*$", PAGE, re.MULTILINE)
    port = free_port()
    words = line.replace("127.0.0.1:8081:", f"127.0.0.1:{port}:").split()[2:-1]
    with started(daemon, f"laptop-{port}", port, *words[1:]):
        assert healthy(port).json() == {"status": "ok"}


def test_the_service_of_compose_serves(daemon: Docker) -> None:
    """With its settings and bounds; its health check, run inside, succeeds."""
    service = yaml.safe_load((ROOT / "examples/compose.yaml").read_text())["services"]
    settings = service["codec-server"]["environment"]
    given = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
    port = free_port()
    name = f"compose-{port}"
    with started(daemon, name, port, *BOUND, "--publish", f"127.0.0.1:{port}:8081", *given):
        assert healthy(port, "?ready=1").status_code == 200
        check = service["codec-server"]["healthcheck"]["test"]
        assert check[0] == "CMD"
        daemon.run("exec", name, *check[1:])


@pytest.fixture(scope="module")
def deployed(daemon: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The container of the Deployment, with a ring, its own policy, and an issuer of the test's."""
    folder = tmp_path_factory.mktemp("deployed")
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    manifests = ROOT / "examples/kubernetes"
    (deployment,) = yaml.safe_load_all((manifests / "deployment.yaml").read_text())
    policy, _ = yaml.safe_load_all((manifests / "access.yaml").read_text())
    (ring := folder / "keyring").mkdir()
    (ring / "ring.json").write_bytes(development_ring().to_json())
    (rules := folder / "policy").mkdir()
    (rules / "policy.json").write_text(policy["data"]["policy.json"])
    container_ = deployment["spec"]["template"]["spec"]["containers"][0]
    mounts = {each["name"]: each["mountPath"] for each in container_["volumeMounts"]}
    settings = {each["name"]: each["value"] for each in container_["env"]}
    with issuer(folder) as published:
        published.certificate.chmod(0o644)
        settings |= {**published.settings(), "SSL_CERT_FILE": "/issuer.pem"}
        volumes = [
            *("--volume", f"{ring}:{mounts['keyring']}:ro"),
            *("--volume", f"{rules}:{mounts['policy']}:ro"),
            *("--volume", f"{published.certificate}:/issuer.pem:ro"),
        ]
        with container(daemon, *volumes, **settings, HOST="0.0.0.0") as (_, port):
            yield port


def test_the_pods_probes_are_answered(deployed: int) -> None:
    """Alive at once; ready when ring, JWKS and policy are there."""
    assert healthy(deployed).status_code == 200
    ready = healthy(deployed, "?ready=1")
    assert ready.status_code == 200, ready.text


@pytest.mark.parametrize(("namespace", "status"), [("orders", 200), ("billing", 403)])
def test_the_pod_decodes_for_whom_its_policy_grants_it(
    deployed: int, namespace: str, status: int
) -> None:
    """Behind a proxy that terminates TLS, with a token; no other namespace."""
    reply = httpx.post(
        f"http://127.0.0.1:{deployed}/decode",
        content=b'{"payloads":[]}',
        headers={**JSON, "x-namespace": namespace, "authorization": f"Bearer {token()}"},
        trust_env=False,
    )
    assert reply.status_code == status


def test_the_pod_requires_a_token(deployed: int) -> None:
    reply = httpx.post(
        f"http://127.0.0.1:{deployed}/decode",
        content=b'{"payloads":[]}',
        headers={**JSON, "x-namespace": "orders"},
        trust_env=False,
    )
    assert reply.status_code == 401
