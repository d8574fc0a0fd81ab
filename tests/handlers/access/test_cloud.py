"""Temporal Cloud decides (rule P4): its roles and permissions, its outages, and our API key."""

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from temporalio.api.cloud.identity.v1 import User

from handlers.access.authorizer import PolicyUnavailable
from handlers.access.cloud import MAX_NEW, CloudAuthorizer
from handlers.access.cloud_key import Secret
from handlers.access.cloud_ops import API_VERSION, MAX_PAGES, URL
from handlers.access.cloud_ops import CloudOps as Client
from handlers.access.guard import Guard, make_guard
from handlers.access.jwks import issuer_keys
from handlers.access.listed import CloudError
from handlers.access.token import Verifier
from handlers.server.app import build_app
from handlers.settings.server import server_settings
from temporal_codec.cached import Cached
from temporal_codec.cached_by_name import MAX_EMPTY
from temporal_codec.keys.sources import open_source
from temporal_codec.policy import Identity
from tests.codec.clock import FakeClock
from tests.handlers.access.asking import Denied, allow, decided, here
from tests.handlers.calls import JSON_HEADERS, Reply, call
from tests.rigs.cloud_ops import KEY, CloudOps, cloud_ops, team, user
from tests.rigs.issuer import AUDIENCE, EMAIL_CLAIM, ISSUER, claims, jwk, rsa_key, token
from tests.rigs.processes import ROOT
from tests.rigs.secrets_manager import Gate, client, new_secret

ANA = "ana@example.com"
ORDERS, BILLING = "orders.a1b2c", "billing.a1b2c"
OPERATIONS = ("decode", "download", "encode")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudOps]:
    with cloud_ops(tmp_path_factory.mktemp("cloud")) as account:
        yield account


@pytest.fixture
def account(running: CloudOps, monkeypatch: pytest.MonkeyPatch) -> CloudOps:
    """An account in good health, in which Ana may write in one namespace."""
    monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
    running.reset()
    running.users = [user(ANA, orders="WRITE")]
    return running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(account: CloudOps, clock: FakeClock) -> CloudAuthorizer:
    return CloudAuthorizer(Client(lambda: KEY, account.url, clock), clock)


def who(email: str | None = ANA) -> Identity:
    return Identity("auth0|123", email, "issuer", "kid", "token", ())


def allows(cloud: CloudAuthorizer, email: str | None = ANA, namespace: str = ORDERS) -> set[str]:
    """What this person may do."""
    allowed = set()
    for operation in OPERATIONS:
        try:
            allow(cloud, who(email), namespace, operation)
        except Denied:
            continue
        allowed.add(operation)
    return allowed


def unavailable(cloud: CloudAuthorizer, email: str = ANA, namespace: str = ORDERS) -> str:
    with pytest.raises(PolicyUnavailable) as caught:
        allow(cloud, who(email), namespace, "decode")
    return str(caught.value)


EVERYTHING = {"decode", "download", "encode"}
READING = {"decode", "download"}
# A user, and what they may do in `orders` and in `billing`.
TABLE = [
    (user(ANA, "OWNER"), EVERYTHING, EVERYTHING),
    (user(ANA, "ADMIN"), EVERYTHING, EVERYTHING),
    (user(ANA, "DEVELOPER"), set(), set()),
    (user(ANA, "FINANCE_ADMIN"), set(), set()),
    (user(ANA, "READ"), set(), set()),
    (user(ANA, "METRICS_READ"), set(), set()),
    (user(ANA, "UNSPECIFIED"), set(), set()),
    (user(ANA, orders="ADMIN"), EVERYTHING, set()),
    (user(ANA, orders="WRITE"), EVERYTHING, set()),
    (user(ANA, orders="READ"), READING, set()),
    (user(ANA, orders="UNSPECIFIED"), READING, set()),
    (user(ANA, orders="READ", billing="ADMIN"), READING, EVERYTHING),
    (user(ANA, "READ", orders="WRITE"), EVERYTHING, set()),
    (user(ANA, "UNSPECIFIED", billing="READ"), set(), READING),
    (user("Ana@Example.COM", orders="WRITE"), EVERYTHING, set()),
]


# Two processes must give a test one name: sets are sorted.
@pytest.mark.parametrize(
    ("listed", "orders", "billing"),
    TABLE,
    ids=lambda each: " ".join(sorted(each)) if isinstance(each, set) else str(each),
)
def test_roles_and_permissions(
    cloud: CloudAuthorizer, account: CloudOps, listed: User, orders: set[str], billing: set[str]
) -> None:
    account.users = [listed]
    assert allows(cloud) == orders
    assert allows(cloud, namespace=BILLING) == billing


@pytest.mark.parametrize("role", ["OWNER", "ADMIN"])
def test_an_administrator_need_not_be_listed_for_a_namespace(
    cloud: CloudAuthorizer, account: CloudOps, role: str
) -> None:
    """The definition does not say whether such a role counts as access to every namespace."""
    account.users, account.lists_admins = [user(ANA, role)], False
    assert allows(cloud) == allows(cloud, namespace="nowhere.a1b2c") == EVERYTHING


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("ACTIVE", True),
        ("UPDATING", True),
        ("UPDATE_FAILED", True),
        ("ACTIVATING", False),
        ("ACTIVATION_FAILED", False),
        ("DELETING", False),
        ("DELETE_FAILED", False),
        ("DELETED", False),
        ("SUSPENDED", False),
        ("EXPIRED", False),
        ("UNSPECIFIED", False),
    ],
)
@pytest.mark.parametrize("role", ["OWNER", "DEVELOPER"])
def test_only_who_may_log_in_may_read(
    cloud: CloudAuthorizer, account: CloudOps, role: str, state: str, allowed: bool
) -> None:
    """Whatever else the list says of them: a new state is one more that may not."""
    account.users = [user(ANA, role, state, orders="ADMIN")]
    assert allows(cloud) == (EVERYTHING if allowed else set())


def test_a_user_who_came_back_is_not_taken_for_the_one_who_went(
    cloud: CloudAuthorizer, account: CloudOps
) -> None:
    account.users = [user(ANA, "OWNER", "DELETED"), user(ANA, orders="READ")]
    assert allows(cloud) == READING


def test_access_by_a_group_is_for_reading(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """The list tells that there is access, not how much of it."""
    account.users = [user(ANA, "READ", billing="ADMIN")]
    account.groups = {ORDERS: {ANA}}
    assert allows(cloud) == READING
    assert allow(cloud, who(), ORDERS, "decode") == "temporal-cloud listed"


def in_team(account: CloudOps, permission: str, members: list[str], **more: Any) -> None:
    """Ana reads in one namespace, by herself; a group has this permission there."""
    account.users = [user(ANA, "READ", orders="READ")]
    account.teams = [team(1, orders=permission, **more)]
    account.members = {"g/1": members}


@pytest.mark.parametrize("permission", ["WRITE", "ADMIN"])
@pytest.mark.parametrize("page_size", [1, 100])
def test_a_group_may_let_its_members_write(
    cloud: CloudAuthorizer, account: CloudOps, permission: str, page_size: int
) -> None:
    """As Temporal Cloud has it: the most that a person has, of their own or by any group."""
    account.page_size = page_size
    in_team(account, permission, ["u-other", f"u-{ANA}"])
    assert allows(cloud) == EVERYTHING
    assert allow(cloud, who(), ORDERS, "encode") == "temporal-cloud group"
    assert allow(cloud, who(), ORDERS, "decode") == "temporal-cloud PERMISSION_READ"
    assert allows(cloud, namespace=BILLING) == set()


NOT_BY_GROUP: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "it reads": ("READ", [f"u-{ANA}"], {}),
    "another's": ("WRITE", ["u-other", "", f"u-{ANA}x"], {}),
    "it is deleted": ("WRITE", [f"u-{ANA}"], {"state": "DELETED"}),
}


@pytest.mark.parametrize("name", NOT_BY_GROUP)
def test_what_no_group_gives(cloud: CloudAuthorizer, account: CloudOps, name: str) -> None:
    permission, members, more = NOT_BY_GROUP[name]
    in_team(account, permission, members, **more)
    assert allows(cloud) == READING


def test_an_old_answer_about_groups_is_told(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """The audit record says so, though all that is known of the person is new."""
    in_team(account, "WRITE", [f"u-{ANA}"])
    account.users.append(user("bob@example.com", orders="READ"))
    allows(cloud, "bob@example.com")
    clock.advance(200)
    assert allow(cloud, who(), ORDERS, "encode")
    account.fault = "500"
    clock.advance(100)
    told = decided(cloud, who(), ORDERS, "encode")
    assert (told.rule, told.is_stale) == ("temporal-cloud group", True)


def test_a_person_without_an_id_is_in_no_group(cloud: CloudAuthorizer, account: CloudOps) -> None:
    in_team(account, "WRITE", [""])
    account.users[0].id = ""
    assert allows(cloud) == READING


@pytest.mark.parametrize(
    ("size", "may"),
    [(0, READING), (1, EVERYTHING), (128, EVERYTHING), (129, READING)],
    ids=["none", "short", "fits", "too long"],
)
def test_a_group_s_id_is_bounded(
    cloud: CloudAuthorizer, account: CloudOps, size: int, may: set[str]
) -> None:
    """It becomes a part of the path."""
    in_team(account, "WRITE", [])
    account.teams[0].id = "g" * size
    account.members = {"g" * size: [f"u-{ANA}"]}
    assert allows(cloud) == may
    assert any("/members" in line for line in account.lines) is (may == EVERYTHING)


@pytest.mark.parametrize("status", [403, 404])
def test_a_key_that_may_not_see_groups_lets_read(
    cloud: CloudAuthorizer, account: CloudOps, status: int
) -> None:
    in_team(account, "WRITE", [f"u-{ANA}"])
    account.teams_fault = status
    assert allows(cloud) == READING
    assert not decided(cloud, who(), ORDERS, "encode").is_stale


def test_groups_are_asked_for_only_to_write_and_for_five_minutes(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """Reading costs nothing more; two requests serve everybody in the namespace."""
    in_team(account, "WRITE", [f"u-{ANA}"])
    bob = "bob@example.com"
    account.users.append(user(bob, orders="READ"))
    allow(cloud, who(), ORDERS, "decode")
    assert not any("user-groups" in line for line in account.lines)
    for _ in range(3):
        allow(cloud, who(), ORDERS, "encode")
        assert "encode" not in allows(cloud, bob)
    asked = [line for line in account.lines if "user-groups" in line]
    assert asked == [
        f"/cloud/user-groups?namespace={ORDERS}",
        "/cloud/user-groups/g%2F1/members?pageSize=1000",
    ]
    account.members = {"g/1": []}
    clock.advance(301)
    assert allows(cloud) == READING


def test_so_many_groups_are_asked_and_no_more(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """A namespace with hundreds of groups does not use up the account's quota."""
    account.users = [user(ANA, orders="READ")]
    account.teams = [team(number, orders="WRITE") for number in range(50)]
    account.members = {f"g/{number}": ["u-other"] for number in range(50)}
    account.members["g/49"] = [f"u-{ANA}"]
    assert allows(cloud) == READING
    assert sum("/members" in line for line in account.lines) == 10


def test_an_outage_of_groups_is_an_outage(cloud: CloudAuthorizer, account: CloudOps) -> None:
    in_team(account, "WRITE", [f"u-{ANA}"])
    allow(cloud, who(), ORDERS, "decode")
    account.fault = "503"
    with pytest.raises(PolicyUnavailable):
        allow(cloud, who(), ORDERS, "encode")
    assert allow(cloud, who(), ORDERS, "decode")


def test_a_service_account_is_named_as_such(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """It has no address, which is what Temporal Cloud is asked by: nothing is asked."""
    robot = replace(who(None), no_email="the token has no claim email")
    told = decided(cloud, robot, ORDERS, "decode")
    assert (told.rule, told.reason) == (None, "no-email")
    assert told.why.startswith("the token has no claim email; ")
    assert told.why.endswith("and a service account has none")
    assert account.asked == []


def test_a_key_that_does_not_see_access_lets_read(
    cloud: CloudAuthorizer, account: CloudOps
) -> None:
    """Temporal Cloud shows people's roles and permissions to administrators' keys alone."""
    account.key_sees_access = False
    account.users.append(user("boss@example.com", "OWNER"))
    assert allows(cloud) == READING
    assert allows(cloud, namespace=BILLING) == set()
    assert allows(cloud, "boss@example.com") == READING


LOOK_ALIKES = [
    "ana+x@example.com",
    "ana@example.com.evil.io",
    "ana@example.co",
    "xana@example.com",
    "ana@sub.example.com",
    " ana@example.com",
    "ana@example.com\n",
    "ana@example.com\u200b",
    "\u0430na@example.com",
    "*@example.com",
    "",
]


@pytest.mark.parametrize("listed", LOOK_ALIKES)
def test_a_sloppy_filter_lets_nobody_in(
    cloud: CloudAuthorizer, account: CloudOps, listed: str
) -> None:
    """P2: the answer must be about exactly this address, whatever was asked for."""
    account.is_sloppy = True
    account.users = [user(listed, "OWNER", orders="ADMIN"), user("other@example.com", "OWNER")]
    assert allows(cloud) == set()


def test_a_letter_whose_lower_case_is_ascii(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """P2: the Kelvin sign becomes a k."""
    account.is_sloppy = True
    account.users = [user("\u212aim@example.com", "OWNER")]
    assert allows(cloud, "kim@example.com") == set()


def test_the_right_one_among_others(cloud: CloudAuthorizer, account: CloudOps) -> None:
    account.is_sloppy = True
    account.users = [user("boss@example.com", "OWNER"), *account.users]
    assert allows(cloud) == EVERYTHING
    account.users.reverse()
    assert allows(cloud, "nobody@example.com") == set()


def test_nobody_without_an_address(cloud: CloudAuthorizer, account: CloudOps) -> None:
    assert allows(cloud, None) == set()
    assert account.asked == []


def test_the_deciding_rule_is_named(cloud: CloudAuthorizer, account: CloudOps) -> None:
    account.users.append(user("boss@example.com", "OWNER"))
    assert allow(cloud, who(), ORDERS, "encode") == "temporal-cloud PERMISSION_WRITE"
    assert allow(cloud, who("boss@example.com"), ORDERS, "encode") == "temporal-cloud account"


def test_what_is_asked_is_encoded(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """An address may hold characters that mean something in a query."""
    email = "a&namespace=x#?+%41=/\\'\"@example.com"
    account.users = [user(email, orders="READ")]
    assert allow(cloud, who(email), ORDERS, "decode")
    assert account.asked == [{"email": email}, {"email": email, "namespace": ORDERS}]
    assert all(line.count("&") <= 1 and "#" not in line for line in account.lines)


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_pages_are_followed(cloud: CloudAuthorizer, account: CloudOps, page_size: int) -> None:
    account.is_sloppy, account.page_size = True, page_size
    account.users = [*(user(f"u{n}@example.com", orders="READ") for n in range(3)), *account.users]
    assert allows(cloud) == EVERYTHING
    assert {each.get("pageToken") for each in account.asked} >= {None, f"page&{page_size}"}


def test_an_empty_page_is_not_the_last(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """A filter may be applied to a page that was read before: only the token tells the end."""
    account.document = b'{"users":[],"nextPageToken":"next"}'
    unavailable(cloud)
    assert len(account.asked) == MAX_PAGES
    assert [each.get("pageToken") for each in account.asked] == [None, *["next"] * 4]


def test_a_namespace_that_is_not_there(cloud: CloudAuthorizer) -> None:
    """The name is the request's, so it is a refusal: the UI would repeat a 503."""
    assert allows(cloud, namespace="nowhere.a1b2c") == set()


def test_a_missing_api_is_an_outage(account: CloudOps) -> None:
    """Only the question about a namespace may be answered with 404."""
    account.namespaces = set()
    assert "status 404" in unavailable(CloudAuthorizer(Client(lambda: KEY, account.url)))


def test_an_answer_that_outlived_its_time_is_told(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """The audit record says so, of this request and not of another person's."""
    allows(cloud)
    clock.advance(200)
    account.users.append(user("boss@example.com", "OWNER"))
    told = [decided(cloud, who("boss@example.com"), ORDERS, "decode").is_stale]
    account.fault = "500"
    clock.advance(100)
    people = (ANA, "boss@example.com")
    told += [decided(cloud, who(email), ORDERS, "decode").is_stale for email in people]
    assert told == [False, True, False]


def test_one_old_answer_of_two_is_told(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    allows(cloud)
    clock.advance(300)
    allows(cloud, namespace=BILLING)  # asks for the person again
    account.fault = "500"
    assert allows(cloud) == EVERYTHING
    assert decided(cloud, who(), ORDERS, "decode").is_stale


FAULTS = [
    *("301", "302", "307", "204", "400", "403", "429", "500", "502", "503"),
    *("hang", "trickle", "cut off"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_keeps_the_last_good_answer(
    cloud: CloudAuthorizer,
    account: CloudOps,
    clock: FakeClock,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P4: people go on for an hour, and the API is asked once in thirty seconds."""
    assert allows(cloud) == EVERYTHING
    account.fault = fault
    if fault in ("hang", "trickle"):  # no answer comes any more, so nothing is waited for
        monkeypatch.setattr("handlers.access.cloud_ops.DEADLINE_SECONDS", 0.1)
    clock.advance(300)
    assert allows(cloud) == EVERYTHING
    asked = len(account.asked)
    assert asked == 4
    for _ in range(10):
        assert allows(cloud) == EVERYTHING
        unavailable(cloud, namespace=BILLING)
    assert len(account.asked) == asked + 1
    clock.advance(3299)
    assert allow(cloud, who(), ORDERS, "decode")
    clock.advance(1)
    unavailable(cloud)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_given_up_in_time(cloud: CloudAuthorizer, account: CloudOps, fault: str) -> None:
    """Cold it is an outage, within 1.5 s of wall time, and no redirect is followed."""
    account.fault = fault
    started = time.monotonic()
    unavailable(cloud)
    # Without a total deadline it would be 20 or more; a busy machine gets leave.
    assert time.monotonic() - started < 10
    assert len(account.asked) == 1


def test_pages_share_one_deadline(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """1.5 s for all of them: each of these alone would be in time."""
    account.is_sloppy, account.page_size, account.delay = True, 1, 0.6
    account.users = [user(f"u{n}@example.com") for n in range(MAX_PAGES)]
    assert "TimeoutError" in unavailable(cloud)
    assert len(account.asked) <= 3


GOOD = {"spec": {"email": ANA}, "state": "RESOURCE_STATE_ACTIVE"}
MALFORMED: dict[str, Any] = {
    "empty": b"",
    "HTML": b"<html></html>",
    "an array": b"[]",
    "a string": b'"x"',
    "users an object": {"users": {}},
    "users null": {"users": None},
    "users twice": b'{"users":[],"users":[]}',
    "a user null": {"users": [None, GOOD]},
    "a user a string": {"users": [ANA]},
    "no spec": {"users": [{"state": "RESOURCE_STATE_ACTIVE"}]},
    "spec null": {"users": [{**GOOD, "spec": None}]},
    "no address": {"users": [{**GOOD, "spec": {}}]},
    "an address in a list": {"users": [{**GOOD, "spec": {"email": [ANA]}}]},
    "an address null": {"users": [{**GOOD, "spec": {"email": None}}]},
    "a state by number": {"users": [{**GOOD, "state": 3}]},
    "a state in a list": {"users": [{**GOOD, "state": ["RESOURCE_STATE_ACTIVE"]}]},
    "access a list": {"users": [{**GOOD, "spec": {"email": ANA, "access": []}}]},
    "a role by number": {
        "users": [{**GOOD, "spec": {"email": ANA, "access": {"accountAccess": {"role": 1}}}}]
    },
    "accesses a list": {
        "users": [{**GOOD, "spec": {"email": ANA, "access": {"namespaceAccesses": [ORDERS]}}}]
    },
    "a permission by number": {
        "users": [
            {
                **GOOD,
                "spec": {
                    "email": ANA,
                    "access": {"namespaceAccesses": {ORDERS: {"permission": 1}}},
                },
            }
        ]
    },
    "a token a number": {"users": [], "nextPageToken": 1},
    "a token without end": {"users": [], "nextPageToken": "x" * 2049},
    "a BOM": b"\xef\xbb\xbf" + json.dumps({"users": [GOOD]}).encode(),
    "not UTF-8": b"\xff",
    "deep": b'{"users":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "a little too deep": b'{"users":[],"x":' + b"[" * 16 + b"]" * 16 + b"}",
    "too large": json.dumps({"users": [GOOD], "x": "y" * 200_000}).encode(),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_an_outage(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock, name: str
) -> None:
    """Nobody is let in by it, and nobody is put out."""
    document = MALFORMED[name]
    account.document = document if isinstance(document, bytes) else json.dumps(document).encode()
    said = "the answer is too large" if name == "too large" else "not the list that was asked for"
    assert f"Temporal Cloud: {said}" in unavailable(cloud)
    assert len(account.asked) == 1
    account.document = None
    clock.advance(30)
    assert allows(cloud) == EVERYTHING
    account.document = document if isinstance(document, bytes) else json.dumps(document).encode()
    clock.advance(300)
    assert allows(cloud) == EVERYTHING


def test_what_just_fits_is_read(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """16 levels and a page token of 2,048 characters."""
    more: Any = []
    for _ in range(14):
        more = [more]
    page = {"users": [], "nextPageToken": "x" * 2048, "x": more}
    account.document = json.dumps(page).encode()
    assert "more than 5 pages" in unavailable(cloud)


@pytest.mark.parametrize(
    "spec",
    [
        {"email": ANA},
        {"email": ANA, "access": None},
        {"email": ANA, "access": {}},
        {"email": ANA, "access": {"accountAccess": None, "namespaceAccesses": {}}},
        {"email": ANA, "access": {"accountAccess": {"role": "ROLE_EMPEROR"}}},
        {"email": ANA, "access": {"accountAccess": {"role": "owner"}, "customRoles": ["x"]}},
        {"email": ANA, "access": {"namespaceAccesses": {ORDERS: {"permission": "PERMISSION_X"}}}},
        {"email": ANA, "access": {"namespaceAccesses": {ORDERS: {}}}},
        {"email": ANA, "access": {"namespaceAccesses": {BILLING: {"permission": "ADMIN"}}}},
    ],
    ids=str,
)
def test_what_is_new_or_left_out_gives_nothing_more(
    cloud: CloudAuthorizer, account: CloudOps, spec: dict[str, Any]
) -> None:
    """A listed user may read; to write takes a permission that is known."""
    account.document = json.dumps({"users": [{**GOOD, "spec": spec}], "new": {"x": 1}}).encode()
    assert allows(cloud) == READING


def test_an_answer_serves_five_minutes(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """P4: one request for the person and one for each namespace, however often they read."""
    for _ in range(100):
        assert allows(cloud) == EVERYTHING
        clock.advance(2.99)
    assert account.asked == [{"email": ANA}, {"email": ANA, "namespace": ORDERS}]
    allows(cloud, namespace=BILLING)
    assert account.asked[2:] == [{"email": ANA, "namespace": BILLING}]
    clock.advance(1)
    account.users = [user(ANA, "READ")]
    assert allows(cloud) == set()
    assert len(account.asked) == 5


def test_a_person_who_is_removed_stops_within_five_minutes(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    assert allows(cloud) == EVERYTHING
    account.users = []
    clock.advance(300)
    assert allows(cloud) == set()


def test_a_stranger_costs_one_request_however_many_namespaces_are_named(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """Anybody with an account of their own has a valid token, and must not use up our quota."""
    for number in range(2_000):
        told = decided(cloud, who("mallory@evil.io"), f"n{number}.a1b2c", "decode")
        assert told.rule is None
        clock.advance(60 / 2_000)
    assert len(account.asked) == 1


def test_strangers_never_drop_a_person_who_is_known(
    cloud: CloudAuthorizer, account: CloudOps
) -> None:
    """People whom the account does not know have a room of their own, which is bounded."""
    account.users.append(user("boss@example.com", "OWNER"))
    allows(cloud, "boss@example.com")
    for number in range(2 * MAX_EMPTY):
        allows(cloud, f"u{number}@example.com")
    asked = len(account.asked)
    assert asked == 1 + 2 * MAX_EMPTY
    allows(cloud, "boss@example.com")
    assert len(account.asked) == asked
    allows(cloud, "u0@example.com")
    assert len(account.asked) == asked + 1


def test_invented_namespaces_use_up_nobody_s_quota(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """New names are limited for each person, and never drop an answer that is in use."""
    account.users.append(user("boss@example.com", orders="READ"))
    assert allows(cloud) == EVERYTHING
    for number in range(4 * MAX_NEW):
        allows(cloud, namespace=f"n{number}.a1b2c")
    assert len(account.asked) == 1 + MAX_NEW
    told = decided(cloud, who(), "another.a1b2c", "decode")
    assert (told.rule, told.why) == (None, "this person asks for too many namespaces at once")
    assert allows(cloud, "boss@example.com") == READING, "others are not limited by it"
    account.fault = "500"
    clock.advance(299)
    assert allows(cloud) == EVERYTHING
    clock.advance(1000)
    assert allows(cloud) == EVERYTHING, "the last good answer is still there"
    account.fault = ""
    clock.advance(60)
    account.users[0] = user(ANA, billing="READ")
    assert allows(cloud, namespace=BILLING) == READING


class Readers:
    """An account without a network, in which everybody reads everywhere."""

    def __init__(self) -> None:
        self.key = Cached.of(None)
        self.broken: set[str] = set()

    def check_filter(self) -> None:
        """The list keeps to the filter."""

    def account_role(self, _email: str) -> str:
        return ""

    def permission(self, _email: str, namespace: str) -> tuple[str, str]:
        if namespace in self.broken:
            raise CloudError("status 500")
        return "u-1", "PERMISSION_READ"


def asks_for(cloud: CloudAuthorizer, email: str, *names: int) -> list[bool]:
    """Which of these namespaces this person may read."""
    decisions = [decided(cloud, who(email), f"n{name}.a1b2c", "decode") for name in names]
    return [each.rule is not None for each in decisions]


def test_new_names_are_counted_for_a_minute(clock: FakeClock) -> None:
    """60 for each person; one that was counted and could not be looked up is not counted again."""
    readers = Readers()
    cloud = CloudAuthorizer(readers, clock)  # type: ignore[arg-type]
    assert all(asks_for(cloud, ANA, *range(59)))
    readers.broken = {"n59.a1b2c"}
    assert "status 500" in unavailable(cloud, namespace="n59.a1b2c")
    assert asks_for(cloud, ANA, 60, 0) == [False, True]
    readers.broken = set()
    clock.advance(30)
    assert asks_for(cloud, ANA, 60, 59) == [False, True]
    clock.advance(29.5)
    assert asks_for(cloud, ANA, 60) == [False]
    clock.advance(0.5)
    assert all(asks_for(cloud, ANA, *range(60, 119)))


def test_the_people_who_are_counted_are_bounded(clock: FakeClock) -> None:
    """1,024, of whom the one who asked least recently is forgotten first."""
    cloud = CloudAuthorizer(Readers(), clock)  # type: ignore[arg-type]
    for email in ("a0", "a1"):
        assert all(asks_for(cloud, email, *range(60)))
    for number in range(2, 1024):
        assert asks_for(cloud, f"a{number}", 0) == [True]
    assert asks_for(cloud, "a0", 60) == [False]
    assert asks_for(cloud, "a1024", 0) == [True]
    assert asks_for(cloud, "a1", 60) == [True]
    assert asks_for(cloud, "a0", 60) == [False]


def test_a_list_that_ignores_the_namespace_lets_nobody_in(
    cloud: CloudAuthorizer,
    account: CloudOps,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A canary: a namespace that cannot exist is asked for before the first decision."""
    account.ignores_namespaces = True
    assert "a namespace that does not exist" in unavailable(cloud)
    assert "Temporal Cloud's list cannot be refreshed" in caplog.text
    account.ignores_namespaces = False
    clock.advance(29)
    assert "a namespace that does not exist" in unavailable(cloud)
    assert account.canaries == 1
    clock.advance(1)
    assert allows(cloud) == EVERYTHING
    assert account.canaries == 2


@pytest.mark.parametrize("status", [404, 403, 503])
def test_the_canary_s_namespace_may_be_not_found(
    cloud: CloudAuthorizer, account: CloudOps, status: int
) -> None:
    """It is not there, as it should be; any other fault is an outage."""
    account.canary_fault = status
    if status == 404:
        assert allows(cloud) == EVERYTHING
    else:
        assert f"status {status}" in unavailable(cloud)
    assert account.canaries == 1


def test_the_canary_is_asked_for_once(cloud: CloudAuthorizer, account: CloudOps) -> None:
    warm(cloud)
    assert account.canaries == 1
    for namespace in (ORDERS, BILLING):
        allows(cloud, namespace=namespace)
    assert account.canaries == 1


def test_another_issuer_speaks_for_nobody_of_temporal_cloud(
    cloud: CloudAuthorizer, account: CloudOps
) -> None:
    """T5: of several issuers the first decides who has an address, as in a policy."""
    other = replace(who(), issuer="https://partner.example.com/", is_default_issuer=False)
    for operation in OPERATIONS:
        told = decided(cloud, other, ORDERS, operation)
        assert (told.rule, told.why) == (None, "Temporal Cloud decides for the first issuer alone")
    assert account.asked == []
    assert allows(cloud) == EVERYTHING


def test_a_clock_that_is_set_back_loses_no_canary(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """J7: in an outage it is stale, as all that was found is, and everybody is still let in."""
    assert allows(cloud) == EVERYTHING
    clock.wall -= 1
    account.fault, account.canary_fault = "500", 500
    assert allows(cloud) == EVERYTHING


def test_a_hundred_at_once_ask_once(cloud: CloudAuthorizer, account: CloudOps) -> None:
    """Single flight."""
    account.open.clear()
    with ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(allow, cloud, who(), ORDERS, "decode") for _ in range(100)]
        wait_for(account, 1)
        account.open.set()
        assert {each.result(20) for each in waiting} == {"temporal-cloud PERMISSION_WRITE"}
    assert len(account.asked) == 2


def test_others_do_not_wait_for_a_refresh(
    cloud: CloudAuthorizer, account: CloudOps, clock: FakeClock
) -> None:
    """One asks again for the person and one for the namespace; all others get what is held."""
    assert allows(cloud) == EVERYTHING
    clock.advance(300)
    account.open.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(allow, cloud, who(), ORDERS, "decode")]
        wait_for(account, 3)
        waiting.append(pool.submit(allow, cloud, who(), ORDERS, "decode"))
        wait_for(account, 4)
        for _ in range(10):
            assert allow(cloud, who(), ORDERS, "decode")
        assert not any(each.done() for each in waiting)
        account.open.set()
        assert all(each.result(20) for each in waiting)


def wait_for(account: CloudOps, requests: int) -> None:
    """Until so many requests have come."""
    deadline = time.monotonic() + 10
    while len(account.asked) < requests:
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Keys:
    """What fetches the API key, and how often it did."""

    def __init__(self, key: str | Exception = KEY) -> None:
        self.key = key
        self.fetches = 0

    def __call__(self) -> str:
        self.fetches += 1
        if isinstance(self.key, Exception):
            raise self.key
        return self.key


def with_keys(account: CloudOps, keys: Keys, clock: FakeClock) -> CloudAuthorizer:
    return CloudAuthorizer(Client(keys, account.url, clock), clock)


def test_a_key_that_was_replaced_is_fetched_on_401(account: CloudOps, clock: FakeClock) -> None:
    keys = Keys()
    cloud = with_keys(account, keys, clock)
    assert allows(cloud) == EVERYTHING
    assert keys.fetches == 1
    clock.advance(60)
    keys.key = account.key = "another-key"
    assert allows(cloud, namespace=BILLING) == set()
    assert keys.fetches == 2
    clock.advance(299)
    allows(cloud)
    assert keys.fetches == 2
    clock.advance(1)
    allows(cloud, "x@example.com")
    assert keys.fetches == 3


def test_the_key_is_not_fetched_again_for_any_other_fault(
    account: CloudOps, clock: FakeClock
) -> None:
    """An outage of Temporal Cloud costs no request to Secrets Manager."""
    keys = Keys()
    cloud = with_keys(account, keys, clock)
    assert allows(cloud) == EVERYTHING
    account.fault = "500"
    clock.advance(60)
    assert "status 500" in unavailable(cloud, "x@example.com")
    assert keys.fetches == 1


def test_the_key_is_there_before_the_first_request(account: CloudOps, clock: FakeClock) -> None:
    """A key that cannot be fetched does not stop the start: it is reported when it matters."""
    keys = Keys()
    cloud = with_keys(account, keys, clock)
    warm(cloud)
    assert (keys.fetches, account.asked) == (1, [])
    assert allows(cloud) == EVERYTHING
    assert keys.fetches == 1
    warm(with_keys(account, Keys(RuntimeError("gone")), clock))


def warm(cloud: CloudAuthorizer) -> None:
    for cached in cloud.caches.values():
        cached.warm()


def test_a_key_that_is_refused_is_an_outage(account: CloudOps, clock: FakeClock) -> None:
    """The secret is read again once in thirty seconds, and the request sent again only if new."""
    keys = Keys("wrong-key")
    cloud = with_keys(account, keys, clock)
    for number in range(20):
        assert "status 401" in unavailable(cloud, f"u{number}@example.com")
    assert keys.fetches == 1
    assert len(account.asked) == 20
    clock.advance(30)
    keys.key = KEY
    assert allows(cloud) == EVERYTHING
    assert keys.fetches == 2


def test_the_key_serves_on_when_its_source_fails(
    account: CloudOps, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """For an hour."""
    keys = Keys()
    cloud = with_keys(account, keys, clock)
    assert allows(cloud) == EVERYTHING
    keys.key = RuntimeError("gone")
    clock.advance(3000)
    assert allows(cloud) == EVERYTHING
    assert "Temporal Cloud's API key cannot be refreshed" in caplog.text
    clock.advance(599)
    assert allows(cloud, namespace=BILLING) == set()
    clock.advance(1)
    assert "no API key: gone" in unavailable(cloud, "x@example.com")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        f"{KEY} x",
        f"{KEY}\r\nX-A: b",
        f"{KEY}\nx",
        f'{{"key":"{KEY}"}}',
        "k\u00e9y",
        "k" * 4097,
    ],
)
def test_a_secret_that_holds_no_key(account: CloudOps, clock: FakeClock, text: str) -> None:
    """It is never sent, and never shown."""
    said = unavailable(with_keys(account, Keys(text), clock))
    assert "the secret must hold an API key and nothing else" in said
    assert KEY not in said
    assert account.asked == []


@pytest.mark.parametrize("text", [f"{KEY}\n", f"\ufeff{KEY}\r\n", f"  {KEY}\xa0"])
def test_a_key_as_programs_write_it(text: str, account: CloudOps, clock: FakeClock) -> None:
    """A line's end behind it, or a byte order mark before it."""
    assert allows(with_keys(account, Keys(text), clock)) == EVERYTHING


def test_https_only() -> None:
    with pytest.raises(ValueError, match="https"):
        Client(lambda: KEY, "http://saas-api.tmprl.cloud")


@pytest.fixture
def secret(moto: int) -> str:
    return new_secret(client(moto), KEY)


def test_the_key_comes_from_secrets_manager(
    account: CloudOps, clock: FakeClock, secrets: Gate, secret: str, moto: int
) -> None:
    """The current version; and after a rotation the new one, with nothing restarted."""
    cloud = CloudAuthorizer(Client(Secret(secret), account.url, clock), clock)
    assert allows(cloud) == EVERYTHING
    assert secrets.reads == 1
    client(moto).put_secret_value(SecretId=secret, SecretString="another-key")
    account.key = "another-key"
    clock.advance(60)
    assert allows(cloud, namespace=BILLING) == set()
    assert secrets.reads == 2


SECRET_FAULTS = [
    *("AccessDeniedException", "ThrottlingException", "InternalServiceError", "reset", "html"),
    {"SecretBinary": "eA=="},
    {"SecretString": ""},
]


@pytest.mark.parametrize("fault", SECRET_FAULTS, ids=str)
def test_a_secret_that_cannot_be_read(
    account: CloudOps, clock: FakeClock, secrets: Gate, secret: str, fault: Any
) -> None:
    secrets.fault = fault
    cloud = CloudAuthorizer(Client(Secret(secret), account.url, clock), clock)
    said = unavailable(cloud)
    assert "no API key" in said
    if isinstance(fault, str) and fault.endswith("Exception"):
        assert f"{secret}: {fault}" in said
    assert account.asked == []
    secrets.fault = None
    clock.advance(30)
    assert allows(cloud) == EVERYTHING


def test_a_secret_that_is_not_there(account: CloudOps, secrets: Gate) -> None:
    name = f"missing-{uuid4()}"
    said = unavailable(CloudAuthorizer(Client(Secret(name), account.url)))
    assert f"{name}: ResourceNotFoundException" in said
    assert secrets.reads == 1


def test_the_key_shows_nowhere(
    account: CloudOps,
    clock: FakeClock,
    secrets: Gate,
    secret: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """K8: no log at DEBUG, no exception with all that led to it, no repr."""
    assert secrets.reads == 0
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        fetch = Secret(secret)
        ops = Client(fetch, account.url, clock)
        cloud = CloudAuthorizer(ops, clock)
        assert allows(cloud) == EVERYTHING
        held = ops.key.get()
        shown += [repr(each) for each in (fetch, ops, cloud, ops.key, held, ops._host)]
        for fault in (*FAULTS[:9], "cut off", "malformed", "refused"):
            account.fault = fault
            account.document = KEY.encode() if fault == "malformed" else None
            account.key = "another-key" if fault == "refused" else KEY
            clock.advance(3600)
            try:
                allow(cloud, who(), ORDERS, "decode")
            except PolicyUnavailable as error:
                shown += traceback.format_exception(error)
                shown.append(repr(error))
                shown += [repr(each) for each in ops.key.__dict__.values()]
    assert len(shown) > 30
    assert KEY not in "".join(shown)
    assert caplog.records
    assert KEY not in caplog.text


class Server:
    """The whole app with Temporal Cloud as its authorizer."""

    def __init__(self, account: CloudOps, secret: str, clock: FakeClock) -> None:
        settings = server_settings(
            {
                "CODEC_AUTH": "jwt",
                "CODEC_ISSUER": ISSUER,
                "CODEC_JWKS_URL": f"{account.url}/jwks.json",
                "CODEC_AUDIENCES": AUDIENCE,
                "CODEC_EMAIL_CLAIM": EMAIL_CLAIM,
                "CODEC_AUTHORIZER": "temporal-cloud",
                "CODEC_CLOUD_API_KEY": f"secretsmanager:{secret}",
            }
        )
        assert settings.access is not None
        jwks = issuer_keys(lambda: json.dumps({"keys": [jwk(rsa_key())]}).encode())
        ops = Client(Secret(secret), account.url, clock)
        guard = Guard(Verifier(settings.access.trust, lambda _: jwks), CloudAuthorizer(ops, clock))
        self.records: list[Any] = []
        self._app = build_app(
            settings, open_source("development"), guard, write=self.records.append
        )

    def post(self, path: str, body: bytes, email: str = ANA, namespace: str = ORDERS) -> Reply:
        payload = claims(**{"https://saas-api.tmprl.cloud/user/email": email})
        headers = {
            **JSON_HEADERS,
            "x-namespace": namespace,
            "authorization": f"Bearer {token(payload=payload)}",
        }
        return call(self._app, path, body, headers=headers)


PLAIN = b'{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"ImhlbGxvIg=="}]}'


def test_through_the_whole_app(
    account: CloudOps,
    clock: FakeClock,
    secrets: Gate,
    secret: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Permitted: plaintext. Denied: 403. An outage: 503 with Retry-After, and the cause logged."""
    server = Server(account, secret, clock)
    account.groups = {BILLING: {ANA}}
    sealed = server.post("/encode", PLAIN)
    assert sealed.status == 200
    assert b"ImhlbGxvIg==" not in sealed.body
    opened = server.post("/decode", sealed.body)
    assert (opened.status, opened.json()) == (200, json.loads(PLAIN))
    assert server.post("/decode", sealed.body, namespace=BILLING).json() == json.loads(PLAIN)
    for path, email, namespace in (
        ("/encode", ANA, BILLING),
        ("/decode", "mallory@evil.io", ORDERS),
        ("/decode", ANA, "nowhere.a1b2c"),
        ("/decode", "not an address", ORDERS),
    ):
        refused = server.post(path, sealed.body, email, namespace)
        assert refused.status == 403
        assert b"ImhlbGxvIg==" not in refused.body
    account.fault = "429"
    clock.advance(300)
    assert server.post("/decode", sealed.body).status == 200
    assert server.records[-1].stale == ["policy"]
    assert server.records[-1].rule == "temporal-cloud PERMISSION_WRITE"
    clock.advance(3300)
    with caplog.at_level(logging.DEBUG):
        outage = server.post("/decode", sealed.body)
    assert (outage.status, outage.headers["retry-after"]) == (503, "30")
    assert server.records[-1].reason == "policy-unavailable"
    assert KEY not in str(server.records)
    assert "Temporal Cloud: status 429" in str([vars(each) for each in caplog.records])
    assert KEY not in str([vars(each) for each in caplog.records])
    assert secrets.reads == 3  # at first, after five minutes, and after an hour


def test_the_settings_choose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The running server asks Temporal Cloud itself: no setting leads it to another address."""
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int, **_: Any) -> Any:
        asked.append((host, port))
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    environ = {
        "CODEC_AUTH": "jwt",
        "CODEC_AUTHORIZER": "temporal-cloud",
        "CODEC_CLOUD_API_KEY": "secretsmanager:temporal-cloud",
    }
    monkeypatch.setattr(Secret, "__call__", lambda _: KEY)
    guard = make_guard(server_settings(environ).access)
    assert guard is not None
    with pytest.raises(PolicyUnavailable, match=r"Temporal Cloud: the host name .* \(OSError\)"):
        asyncio.run(guard.authorizer.decide(who(), ORDERS, "decode", here))
    assert asked == [("saas-api.tmprl.cloud", 443)]


def test_the_page_about_it_asks_as_the_server_does(
    cloud: CloudAuthorizer, account: CloudOps
) -> None:
    """A person who tries their key by hand must see what the server will see."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    allows(cloud)
    assert f"'{URL}{account.lines[-1]}'" in page
    assert f"'temporal-cloud-api-version: {API_VERSION}'" in page
