"""Every golden event through the handlers in this process; tests/real has Lambda's own runtime."""

import asyncio
import importlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handlers.server import events
from handlers.server.app import build_app
from handlers.server.audit import Record
from handlers.server.balancers import event_of
from handlers.server.cors import Cors
from handlers.server.gateway import lambda_handler
from handlers.settings.server import server_settings
from handlers.startup import lambda_function
from temporal_codec.keys.sources import open_source
from temporal_codec.text import shown
from tests.rigs.lambda_events import KINDS, Request
from tests.rigs.processes import ROOT

EVENTS = sorted((ROOT / "tests" / "events").glob("*.json"))
HANDLERS = {"DecodeFunction": "decode", "EncodeFunction": "encode"}
Handle = Callable[[Any, Any], dict[str, Any]]


class Context:
    """Lambda's context, as far as it is read."""

    aws_request_id = "id"
    function_name = "f"
    function_version = "1"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn"

    def get_remaining_time_in_millis(self) -> int:
        return 15_000


@pytest.fixture(scope="module")
def functions() -> Iterator[dict[str, Handle]]:
    loop = asyncio.new_event_loop()  # as Lambda's runtime has one
    asyncio.set_event_loop(loop)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("CODEC_")]:
            patch.delenv(name)
        made: dict[str, Handle] = {
            name: lambda_function({}, only=only) for name, only in HANDLERS.items()
        }
        made["PreflightFunction"] = importlib.import_module("handlers.preflight").handler
        yield made
    asyncio.set_event_loop(None)
    loop.close()


def headers(returned: dict[str, Any]) -> dict[str, str]:
    lists = returned.get("multiValueHeaders") or {}
    return {**(returned.get("headers") or {}), **{k: ", ".join(v) for k, v in lists.items()}}


@pytest.mark.parametrize("file", EVENTS, ids=[each.stem for each in EVENTS])
def test_golden_events(file: Any, functions: dict[str, Handle]) -> None:
    """A header that is expected as null is absent."""
    golden = json.loads(file.read_text())
    returned = functions[golden["function"]](golden["event"], Context())
    expected = golden["expect"]
    assert returned["statusCode"] == expected["status"]
    assert returned["body"] == expected["body"]
    given = headers(returned)
    for name, value in expected["headers"].items():
        assert given.get(name) == value, name


@pytest.mark.parametrize("function", ["DecodeFunction", "PreflightFunction"])
def test_answers_have_the_form_that_the_target_group_asks_for(
    function: str, functions: dict[str, Handle]
) -> None:
    request = Request("OPTIONS", "/decode", {"origin": "http://localhost:8233"})
    lists = functions[function](KINDS["load-balancer-lists"](request), Context())
    assert "headers" not in lists
    assert lists["multiValueHeaders"]["access-control-allow-origin"] == ["http://localhost:8233"]
    bare = {**KINDS["load-balancer-lists"](request), "multiValueHeaders": {}}
    assert "headers" not in functions[function](bare, Context())
    for kind in set(KINDS) - {"load-balancer-lists"}:
        single = functions[function](KINDS[kind](request), Context())
        assert single["headers"]["access-control-allow-origin"] == "http://localhost:8233"
        assert not single.get("multiValueHeaders")


@pytest.mark.usefixtures("functions")  # whose event loop it uses
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["naïve", "заказы", "naïve café", "a b@c", "😀", "%C3%A4", "nai\u0308ve"]
)
def test_a_name_is_the_same_however_a_gateway_reads_its_bytes(name: str, kind: str) -> None:
    """As UTF-8, or as Latin-1 which clients do not use for all names."""
    settings, records = server_settings({}), list[Record]()
    app = build_app(settings, open_source("development"), write=records.append)
    handle = lambda_handler(app, Cors(settings.cors), records.append)
    for read in (name, name.encode().decode("latin-1")):
        sent = {"content-type": "application/json", "x-namespace": read}
        handle(KINDS[kind](Request("POST", "/decode", sent, b"{}")), Context())
    assert [(each.status, each.namespace) for each in records] == [(200, shown(name))] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", ["\ud83d", "\xed\xa0\xbd"], ids=ascii)
def test_half_a_surrogate_is_no_name(half: str, kind: str, functions: dict[str, Handle]) -> None:
    sent = {"content-type": "application/json", "x-namespace": half}
    returned = functions["DecodeFunction"](
        KINDS[kind](Request("POST", "/decode", sent, b"{}")), Context()
    )
    assert returned["statusCode"] == 400


@pytest.mark.parametrize("kind", [each for each in KINDS if each.startswith(("load", "lattice"))])
def test_the_caller_s_address_is_the_balancer_s_own_entry(kind: str) -> None:
    """A caller chooses what X-Forwarded-For starts with; the balancer adds the last entry."""
    event = KINDS[kind](Request("POST", "/decode", {}))
    taken = event_of(event, events.headers(event))
    assert taken is not None
    assert events.headers(taken)["x-forwarded-for"] == "192.0.2.1"


def test_a_query_arrives_through_every_load_balancer() -> None:
    for kind in ("load-balancer", "load-balancer-lists", "lattice-1", "lattice-2"):
        event = KINDS[kind](Request("POST", "/decode", {}))
        query = next(name for name in event if "uery" in name)
        taken = event_of({**event, query: {"preserveStorageRefs": "true"}}, {})
        assert taken is not None
        assert taken["queryStringParameters"] == {"preserveStorageRefs": "true"}


@pytest.mark.parametrize("kind", KINDS)
def test_people_see_the_page_through_every_kind_of_event(
    kind: str, functions: dict[str, Handle]
) -> None:
    for name in ("PreflightFunction", "DecodeFunction"):
        returned = functions[name](KINDS[kind](Request("GET", "/", {})), Context())
        assert returned["statusCode"] == 200
        assert "<h1>Codec Server</h1>" in returned["body"]
        assert "script-src 'sha256-" in headers(returned)["content-security-policy"]
