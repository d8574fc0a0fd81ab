"""Temporal's Web UI in Chromium, with its login: *Pass access token* as people have it.

The service holds the history of one Order, sealed. Ana may read it; Bob has an account, too.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.rigs.browser import browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.oidc import Provider, provider
from tests.rigs.processes import free_port
from tests.rigs.sample_worker import TASK_QUEUE
from tests.rigs.temporal import DevServer, dev_server, sample_worker
from tests.rigs.web_ui import login, ui_server, web_ui

pytestmark = [pytest.mark.real("Temporal"), pytest.mark.real("Chromium")]

ANA, BOB = "ana@example.com", "bob@example.com"
GRANT = {"identities": [ANA], "namespaces": ["default"], "operations": ["decode"]}
ORDER = "order-1"
# What the dialog behind the glasses stores.
_OWN_CHOICE = """
    localStorage.overrideRemoteCodecConfiguration = 'true';
    localStorage.passAccessToken = 'true';
    localStorage.endpoint = JSON.stringify(%s);
"""
UI_S_OWN_ERROR = "Codec Server could not connect"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture(scope="module")
def ui_port() -> int:
    ui_server()
    return free_port()


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, oidc: Provider, ui_port: int
) -> dict[str, str]:
    """Those of a Codec Server for this Web UI and these people."""
    policy = tmp_path_factory.mktemp("policy") / "policy.json"
    policy.write_text(json.dumps({"grants": [GRANT]}))
    return {
        **oidc.settings(),
        "CODEC_POLICY": f"file:{policy}",
        "CODEC_ORIGINS": f"http://127.0.0.1:{ui_port}",
        # The Web UI hands tokens to https alone.
        "TLS_CERT": str(oidc.certificate),
        "TLS_KEY": str(oidc.private),
    }


@pytest.fixture(scope="module")
def codec(settings: dict[str, str]) -> Iterator[CodecServer]:
    with codec_server(settings) as running:
        yield running


@pytest.fixture(scope="module")
def server(development_server: CodecServer) -> Iterator[DevServer]:
    """A Temporal Service with one Order that has come to its end."""
    here = ("--workflow-id", ORDER)
    with dev_server() as running, sample_worker(running):
        running.cli(
            *("workflow", "start", "--type", "Order", "--task-queue", TASK_QUEUE, *here),
            *("--input", '"canary-input"', "--codec-endpoint", development_server.url),
        )
        running.cli("workflow", "signal", "--name", "close", *here)
        running.cli("workflow", "result", *here)
        yield running


@dataclass
class Stage:
    """Where people log in to look at the Order."""

    chromium: Browser
    oidc: Provider
    ui: str
    codec: CodecServer


@pytest.fixture(scope="module")
def stage(
    chromium: Browser, server: DevServer, codec: CodecServer, oidc: Provider, ui_port: int
) -> Iterator[Stage]:
    settings = {
        **login(ui_port, oidc),
        "TEMPORAL_CODEC_ENDPOINT": codec.url,
        "TEMPORAL_CODEC_PASS_ACCESS_TOKEN": "true",
    }
    with web_ui(server.address, ui_port, settings) as ui:
        yield Stage(chromium, oidc, ui, codec)


@dataclass
class Visit:
    """What a person sees, and what the browser did meanwhile."""

    page: Page
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def statuses(self) -> set[int]:
        """What the Codec Server answered."""
        answers = [asked.response() for asked in self.asked]
        return {answer.status if answer else 0 for answer in answers}

    def cors_errors(self) -> list[str]:
        """What the browser says of answers that it keeps from the page."""
        return [text for text in self.complaints if "CORS" in text]


@contextmanager
def visit(stage: Stage, person: str, endpoint: str, *, own: bool = False) -> Iterator[Visit]:
    """Log in and open the page of the Order, in a browser that nobody has used.

    The endpoint is the Web UI's, or the person's own choice, which the browser keeps.
    """
    stage.oidc.person = person
    context = stage.chromium.new_context(ignore_https_errors=True)
    try:
        if own:
            context.add_init_script(_OWN_CHOICE % json.dumps(endpoint))
        found = Visit(context.new_page())
        found.page.on("console", lambda message: found.complaints.append(message.text))
        found.page.on("request", lambda asked: _keep(found, asked, endpoint))
        found.page.goto(f"{stage.ui}/login")
        found.page.get_by_role("button", name="Continue to SSO").click()
        expect(found.page.get_by_role("navigation", name="Main")).to_be_visible()
        found.page.goto(f"{stage.ui}/namespaces/default/workflows/{ORDER}")
        expect(found.page.get_by_role("heading", name=ORDER)).to_be_visible()
        yield found
    finally:
        context.close()


def _keep(visit: Visit, asked: Request, endpoint: str) -> None:
    if asked.method == "POST" and asked.url.startswith(endpoint):
        visit.asked.append(asked)


@pytest.fixture(scope="module")
def ana(stage: Stage) -> Iterator[Visit]:
    """The visit of somebody whom the policy lets in."""
    with visit(stage, ANA, stage.codec.url) as seen:
        expect(seen.page.locator("body")).to_contain_text("canary-result")
        yield seen


@pytest.fixture(scope="module")
def bob(stage: Stage) -> Iterator[Visit]:
    """The visit of somebody whom it does not."""
    with visit(stage, BOB, stage.codec.url) as seen:
        expect(seen.page.locator("#content").get_by_text(UI_S_OWN_ERROR)).to_be_visible()
        yield seen


@pytest.fixture(scope="module")
def sealed(server: DevServer) -> list[str]:
    """Input and result of the Order as the Temporal Service has them."""
    shown = server.cli("workflow", "show", "--workflow-id", ORDER, "-o", "json")
    events = json.loads(shown)["events"]
    started = events[0]["workflowExecutionStartedEventAttributes"]["input"]
    completed = events[-1]["workflowExecutionCompletedEventAttributes"]["result"]
    return [part["payloads"][0]["data"] for part in (started, completed)]


def test_who_may_read_sees_input_and_result(ana: Visit, sealed: list[str]) -> None:
    """Ana sees what the workflow was given and gave back, and nothing of how it is kept."""
    page = ana.page.locator("body")
    expect(page).to_contain_text('"canary-input"')
    expect(page).to_contain_text("canary-result, canary-input, canary-activity-result")
    expect(page.get_by_text(UI_S_OWN_ERROR)).to_have_count(0)
    assert [data for data in sealed if data in page.inner_text()] == []
    assert ana.statuses() == {200}


def test_who_may_not_read_sees_what_the_service_has(bob: Visit, sealed: list[str]) -> None:
    """Bob has a token as good as Ana's: it says who he is, and that is not enough."""
    page = bob.page.locator("body")
    for data in sealed:
        expect(page).to_contain_text(data)
    assert "canary" not in bob.page.content()
    assert bob.statuses() == {403}


def test_every_request_carries_the_access_token(stage: Stage, ana: Visit, bob: Visit) -> None:
    """And the ID token in a header that this server does not look at."""
    known = stage.oidc.tokens
    for seen, person in ((ana, ANA), (bob, BOB)):
        sent = [asked.all_headers() for asked in seen.asked]
        assert sent
        bearers = {known.get(each["authorization"].removeprefix("Bearer ")) for each in sent}
        extras = {known.get(each["authorization-extras"]) for each in sent}
        assert bearers == {f"access token of {person}"}
        assert extras == {f"id token of {person}"}


@pytest.mark.parametrize(("kind", "status"), [("access token", 200), ("id token", 401)])
def test_an_id_token_opens_nothing(kind: str, status: int, stage: Stage, ana: Visit) -> None:
    """The same request once more: for the one token it is answered, for the other it is not."""
    asked = ana.asked[0]
    sent = {name: asked.all_headers()[name] for name in ("content-type", "x-namespace", "origin")}
    wanted = f"{kind} of {ANA}"
    bearer = next(made for made, what in stage.oidc.tokens.items() if what == wanted)
    reply = stage.codec.client.post(
        asked.url,
        content=asked.post_data_buffer,
        headers={**sent, "authorization": f"Bearer {bearer}"},
    )
    assert reply.status_code == status
    assert ("payloads" in reply.json()) == (status == 200)


def test_the_browser_lets_the_page_read_every_answer(ana: Visit, bob: Visit) -> None:
    """Refusals, too: those that it keeps from the page, the Web UI asks for again and again."""
    assert ana.cors_errors() == bob.cors_errors() == []
    assert [asked.failure for asked in (*ana.asked, *bob.asked) if asked.failure] == []


@pytest.mark.usefixtures("ana", "bob")
def test_the_server_s_log_says_who_and_never_shows_a_token(stage: Stage) -> None:
    log = stage.codec.log()
    assert f"operation=decode status=200 namespace=default email={ANA}" in log
    assert f"operation=decode status=403 namespace=default email={BOB}" in log
    assert "canary" not in log
    assert not any(part in log for made in stage.oidc.tokens for part in made.split("."))


def test_who_may_not_read_may_be_spared_the_error(
    stage: Stage, settings: dict[str, str], sealed: list[str]
) -> None:
    """With `CODEC_ON_DENY=passthrough` Bob sees the same, and no complaint.

    The endpoint is one that he sets in his browser.
    """
    with (
        codec_server({**settings, "CODEC_ON_DENY": "passthrough"}) as polite,
        visit(stage, BOB, polite.url, own=True) as seen,
    ):
        for data in sealed:
            expect(seen.page.locator("body")).to_contain_text(data)
        expect(seen.page.get_by_text(UI_S_OWN_ERROR)).to_have_count(0)
        assert seen.statuses() == {200}
        assert "canary" not in seen.page.content()
