"""*Include cross-origin credentials*: the token in a cookie, in Chromium with the real Web UI.

Cookies know hosts and not ports: a page of http://localhost is of the same site as any port of
it, and a page of http://127.0.0.1 is of another one. The cookie is Cloudflare Access's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Response, expect

from tests.rigs.browser import browser, lenient_browser
from tests.rigs.codec_server import CodecServer, codec_server
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, Issuer, claims, header, issuer, token
from tests.rigs.pages import Visit, visit
from tests.rigs.processes import free_port
from tests.rigs.temporal import DevServer, dev_server
from tests.rigs.web_ui import web_ui

pytestmark = [pytest.mark.real("Temporal"), pytest.mark.real("Chromium")]

COOKIE = "CF_Authorization"
GRANT = {"identities": ["ana@example.com"], "namespaces": ["*"], "operations": ["decode"]}
SAME, OTHER = "localhost", "127.0.0.1"


@dataclass(frozen=True)
class Stage:
    """A Web UI, and the Codec Server over http and over https, all for pages of both hosts."""

    ui_port: int
    plain: CodecServer
    tls: CodecServer

    def endpoint(self, scheme: str) -> str:
        """The Codec Server's address, by the name that the cookie is for."""
        server = self.tls if scheme == "https" else self.plain
        return server.url.replace(OTHER, SAME)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def service(development_server: CodecServer) -> Iterator[DevServer]:
    """A Temporal Service with one workflow, whose input is encrypted."""
    with dev_server() as running:
        running.cli(
            *("workflow", "start", "--type", "T", "--task-queue", "q", "--workflow-id", "w"),
            *("--input", '"canary"', "--codec-endpoint", development_server.url),
        )
        yield running


@pytest.fixture(scope="module")
def stage(
    provider: Issuer, service: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder, ui_port = tmp_path_factory.mktemp("stage"), free_port()
    trusted = {
        "name": "access",
        "issuer": ISSUER,
        "jwks": f"{provider.url}/jwks.json",
        "audiences": [AUDIENCE],
    }
    trust = {"token_from": [f"cookie:{COOKIE}"], "issuers": [trusted]}
    (folder / "trust.json").write_text(json.dumps(trust))
    (folder / "policy.json").write_text(json.dumps({"grants": [GRANT]}))
    settings = {
        "CODEC_AUTH": "jwt",
        "CODEC_TRUST": f"file:{folder}/trust.json",
        "CODEC_POLICY": f"file:{folder}/policy.json",
        "CODEC_CREDENTIALS": "true",
        "CODEC_ORIGINS": ",".join(f"http://{host}:{ui_port}" for host in (SAME, OTHER)),
        "SSL_CERT_FILE": str(provider.certificate),
    }
    key = Path(provider.certificate).with_name("key.pem")
    tls = {"TLS_CERT": str(provider.certificate), "TLS_KEY": str(key)}
    with (
        codec_server(settings) as plain,
        codec_server({**settings, **tls}) as secure,
        web_ui(service.address, ui_port, {}),
    ):
        yield Stage(ui_port, plain, secure)


SameSite = Literal["Lax", "None", "Strict"]


@contextmanager
def looking(
    context: BrowserContext, stage: Stage, page: str, scheme: str, same_site: SameSite, **own: str
) -> Iterator[Visit]:
    """Ana's page of the workflow, after the proxy has logged her in at the Codec Server's host."""
    said = {EMAIL_CLAIM: None, "email": "ana@example.com", "type": "app", "country": "DE"}
    endpoint = stage.endpoint(scheme)
    choices = {
        "overrideRemoteCodecConfiguration": "true",
        "includeCredentials": "true",
        "endpoint": json.dumps(endpoint),
        **own,
    }
    context.add_init_script(f"Object.assign(localStorage, {json.dumps(choices)})")
    context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": token(header(typ=None), claims(**said)),
                "url": endpoint,
                "httpOnly": True,
                "secure": scheme == "https",
                "sameSite": same_site,
            }
        ]
    )
    with visit(context) as seen:
        with seen.page.expect_response(_is_answer):
            seen.page.goto(f"http://{page}:{stage.ui_port}/namespaces/default/workflows/w")
        yield seen


def _is_answer(response: Response) -> bool:
    return response.request.method == "POST" and "/decode" in response.url


def status(seen: Visit) -> int:
    """What the Codec Server answered first."""
    answer = seen.asked[0].response()
    assert answer
    return answer.status


@pytest.fixture
def browsing() -> Iterator[BrowserContext]:
    """A browser as it is installed."""
    with browser() as chromium, chromium.new_context(ignore_https_errors=True) as context:
        yield context


def test_a_cookie_of_the_same_site_is_sent(browsing: BrowserContext, stage: Stage) -> None:
    """The browser lets the page read the answer; no other token is sent."""
    with looking(browsing, stage, SAME, "http", "Strict") as seen:
        expect(seen.page.locator("body")).to_contain_text("canary")
        assert seen.in_order()
        assert "authorization" not in seen.asked[0].all_headers()
    assert f'"token_from":"cookie:{COOKIE}"' in stage.plain.log()


def test_without_the_setting_it_is_not_sent(browsing: BrowserContext, stage: Stage) -> None:
    with looking(browsing, stage, SAME, "http", "Lax", includeCredentials="false") as seen:
        assert status(seen) == 401


def test_across_sites_it_is_blocked(browsing: BrowserContext, stage: Stage) -> None:
    """`SameSite=None; Secure` does not help where third-party cookies are blocked."""
    with looking(browsing, stage, OTHER, "https", "None") as seen:
        assert status(seen) == 401


@pytest.mark.parametrize(("same_site", "answer"), [("None", 200), ("Lax", 401)])
def test_across_sites_one_kind_is_sent_where_the_user_allows_it(
    stage: Stage, tmp_path: Path, same_site: SameSite, answer: int
) -> None:
    """`SameSite=None; Secure`, over https; the others stay behind."""
    with (
        lenient_browser(tmp_path) as lenient,
        looking(lenient, stage, OTHER, "https", same_site) as seen,
    ):
        assert status(seen) == answer
