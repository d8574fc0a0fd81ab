"""Temporal Cloud's Cloud Ops API, as its public definition says, over https.

The messages are those of the definition itself, which Temporal's SDK brings along, and they
become JSON as its HTTP gateway makes them: camel case, enums by name, empty fields written out.
"""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from google.protobuf import json_format  # noqa: TID251 — it is what the gateway's JSON comes from
from temporalio.api.cloud.cloudservice.v1 import (
    GetUserGroupMembersResponse,
    GetUserGroupsResponse,
    GetUsersResponse,
)
from temporalio.api.cloud.identity.v1 import (
    Access,
    AccountAccess,
    NamespaceAccess,
    User,
    UserGroup,
    UserGroupMember,
    UserGroupMemberId,
    UserGroupSpec,
    UserSpec,
)
from temporalio.api.cloud.resource.v1 import ResourceState

from tests.rigs.issuer import certificate

KEY = "canary-api-key.4Zx9-1"
ADMINS = {AccountAccess.ROLE_OWNER, AccountAccess.ROLE_ADMIN}
# What the gateway sends with a status: gRPC's own code, and a text.
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}


def user(
    email: str,
    role: str = "DEVELOPER",
    state: str = "ACTIVE",
    **permissions: str,
) -> User:
    """A user with a role in the account, and permissions by namespace (`orders="WRITE"`)."""
    accesses = {
        f"{name}.a1b2c": NamespaceAccess(
            permission=NamespaceAccess.Permission.Value(f"PERMISSION_{each}")
        )
        for name, each in permissions.items()
    }
    account = AccountAccess(role=AccountAccess.Role.Value(f"ROLE_{role}"))
    access = Access(account_access=account, namespace_accesses=accesses)
    value = ResourceState.Value(f"RESOURCE_STATE_{state}")
    return User(id=f"u-{email}", spec=UserSpec(email=email, access=access), state=value)


def team(number: int, state: str = "ACTIVE", **permissions: str) -> UserGroup:
    """A group with permissions by namespace."""
    spec = UserGroupSpec(display_name=f"team {number}", access=user("", **permissions).spec.access)
    value = ResourceState.Value(f"RESOURCE_STATE_{state}")
    return UserGroup(id=f"g/{number}", spec=spec, state=value)


@dataclass
class CloudOps:
    """An account. `fault` says how the API fails; `document` is what it says instead."""

    url: str
    certificate: Path
    users: list[User] = field(default_factory=list)
    groups: dict[str, set[str]] = field(default_factory=dict)
    """Who has access to a namespace through a group."""
    teams: list[UserGroup] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    """The ids of the users in each of the teams, by its id."""
    teams_fault: int = 0
    """The status of a key's answer that may not see groups and their members."""
    namespaces: set[str] = field(default_factory=lambda: {"orders.a1b2c", "billing.a1b2c"})
    canaries: int = 0
    """How often a namespace that cannot exist was asked for."""
    canary_fault: int = 0
    """The status of the answer to that, if it is none of 200."""
    ignores_namespaces: bool = False
    """Whether its filter of namespaces lets everybody through."""
    key: str = KEY
    key_sees_access: bool = True
    """Whether the key is an administrator's; all others are shown users without their access."""
    is_sloppy: bool = False
    """Whether its filter of addresses lets others through."""
    lists_admins: bool = True
    """Whether account roles count as access to a namespace, which the definition leaves open."""
    page_size: int = 100
    delay: float = 0
    """Seconds before each answer."""
    fault: str = ""
    document: bytes | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Everything as at the start, in an account with nobody in it."""
        fresh = CloudOps(self.url, self.certificate)
        fresh.open.set()
        vars(self).update(vars(fresh))

    def answer(self, line: str, headers: Any) -> tuple[int, bytes]:
        """Status and body of one request."""
        path, query = urlsplit(line).path, urlsplit(line).query
        asked = {name: each[0] for name, each in parse_qs(query, strict_parsing=True).items()}
        if path == "/cloud/users" and asked.get("namespace", "").endswith(".invalid"):
            return self._of_nowhere()
        self.lines.append(line)
        self.asked.append(asked)
        if headers.get("authorization") != f"Bearer {self.key}":
            return _problem(401)
        if path.startswith("/cloud/user-groups"):
            return self._of_teams(path, asked)
        if path != "/cloud/users" or not headers.get("temporal-cloud-api-version"):
            return _problem(404 if path != "/cloud/users" else 400)
        if asked.get("namespace", "orders.a1b2c") not in self.namespaces:
            return _problem(404)
        return 200, self._page(asked) if self.document is None else self.document

    def _of_nowhere(self) -> tuple[int, bytes]:
        self.canaries += 1
        if self.canary_fault:
            return _problem(self.canary_fault)
        page = GetUsersResponse(users=self.users if self.ignores_namespaces else [])
        return 200, json_format.MessageToJson(page).encode()

    def _of_teams(self, path: str, asked: dict[str, str]) -> tuple[int, bytes]:
        if self.teams_fault:
            return _problem(self.teams_fault)
        page: GetUserGroupsResponse | GetUserGroupMembersResponse
        if not path.endswith("/members"):
            fits = (t for t in self.teams if asked["namespace"] in t.spec.access.namespace_accesses)
            page = GetUserGroupsResponse(groups=fits)
        else:
            ids = self.members[unquote(path.split("/")[-2])]
            start = int(asked.get("pageToken", "0"))
            rest = start + self.page_size
            page = GetUserGroupMembersResponse(
                members=[
                    UserGroupMember(member_id=UserGroupMemberId(user_id=each))
                    for each in ids[start:rest]
                ],
                next_page_token=str(rest) if rest < len(ids) else "",
            )
        return 200, json_format.MessageToJson(page).encode()

    def _page(self, asked: dict[str, str]) -> bytes:
        matching = [each for each in self.users if self._fits(each, asked)]
        start = int(asked.get("pageToken", "page&0").partition("&")[2])
        rest = start + self.page_size
        page = GetUsersResponse(
            users=[self._seen(each) for each in matching[start:rest]],
            next_page_token=f"page&{rest}" if rest < len(matching) else "",
        )
        return json_format.MessageToJson(page, always_print_fields_with_no_presence=True).encode()

    def _fits(self, each: User, asked: dict[str, str]) -> bool:
        if not self.is_sloppy and each.spec.email.lower() != asked["email"]:
            return False
        namespace = asked.get("namespace")
        by_role = self.lists_admins and each.spec.access.account_access.role in ADMINS
        return (
            namespace is None
            or by_role
            or namespace in each.spec.access.namespace_accesses
            or each.spec.email in self.groups.get(namespace, ())
        )

    def _seen(self, each: User) -> User:
        if self.key_sees_access:
            return each
        return User(id=each.id, spec=UserSpec(email=each.spec.email), state=each.state)


def _problem(status: int) -> tuple[int, bytes]:
    return status, json.dumps({"code": _CODES[status], "message": "no", "details": []}).encode()


class _Handler(BaseHTTPRequestHandler):
    ops: CloudOps

    def do_GET(self) -> None:
        ops = self.ops
        status, body = ops.answer(self.path, self.headers)
        ops.open.wait(20)
        time.sleep(ops.delay)
        if ops.fault.isdigit():
            status, body = int(ops.fault), _problem(429)[1]
        if ops.fault == "hang":
            time.sleep(20)
        self.send_response(status)
        if ops.fault.startswith("3"):
            self.send_header("location", f"{ops.url}{self.path}")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        for byte in body if ops.fault == "trickle" else ():
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.3)
        if ops.fault == "cut off":
            body = body[:20]
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that gave up is what some tests are about."""


@contextmanager
def cloud_ops(folder: Path, *hosts: str) -> Iterator[CloudOps]:
    """Run the API; its certificate names these hosts, too."""
    cert, private = certificate(folder, hosts=("localhost", *hosts))
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, private)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    handler.ops = CloudOps(f"https://127.0.0.1:{server.server_port}", cert)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield handler.ops  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
