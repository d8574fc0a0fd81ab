"""Temporal Cloud's list of users, asked for with its Cloud Ops API over https.

The API's public definition is protobuf; its HTTP form is that of proto3 JSON: names in camel
case, enums by name, an absent message as null. What cannot be read so is no answer, and neither
is an answer about somebody else.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from handlers.access.documents import DEADLINE_SECONDS, FetchError, HttpsHost, ProxyOf, no_proxy
from temporal_codec.cached import Cached, Unavailable
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.errors import CodecError
from temporal_codec.reported import reported
from temporal_codec.strict_json import NotStrict, read_object

T = TypeVar("T")
URL = "https://saas-api.tmprl.cloud"
API_VERSION = "v0.17.0"
KEY_LIFE = Life(fresh=300, last_good=3600, cooldown=30)
# A filter may leave a page empty and go on; one address never fills this many.
MAX_PAGES = 5
_MAX_DEPTH = 16
_MAX_PAGE_TOKEN = 2048
# What a bearer token may look like; so a line's end cannot slip into the request.
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")

# A failed update leaves the user as it was; in all other states nobody may log in.
_STATES = frozenset(
    {"RESOURCE_STATE_ACTIVE", "RESOURCE_STATE_UPDATING", "RESOURCE_STATE_UPDATE_FAILED"}
)


class CloudError(CodecError):
    """Temporal Cloud did not send a usable answer; the message says why."""


class _AccountAccess(msgspec.Struct):
    role: str = ""


class _NamespaceAccess(msgspec.Struct):
    permission: str = ""


class _Access(msgspec.Struct, rename="camel"):
    account_access: _AccountAccess | None = None
    namespace_accesses: dict[str, _NamespaceAccess] = {}


class _Spec(msgspec.Struct):
    email: str
    access: _Access | None = None


class _User(msgspec.Struct):
    spec: _Spec
    state: str = ""

    def is_active(self, email: str) -> bool:
        listed = self.spec.email
        return listed.isascii() and listed.lower() == email and self.state in _STATES

    def account_role(self) -> str:
        access = self.spec.access
        return access.account_access.role if access and access.account_access else ""

    def permission(self, namespace: str) -> str:
        given = self.spec.access.namespace_accesses if self.spec.access else {}
        return given[namespace].permission if namespace in given else ""


class _Page(msgspec.Struct, rename="camel"):
    users: list[_User] = []
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class _Key:
    value: str = field(repr=False)


class CloudOps:
    """Temporal Cloud's list of users."""

    def __init__(
        self,
        fetch_key: Callable[[], str],
        url: str = URL,
        clock: Clock = system_clock,
        proxy_of: ProxyOf = no_proxy,
    ) -> None:
        """Take what fetches the API key, and where the API is; raises ValueError if not https."""
        self._host = HttpsHost(url, proxy_of)
        fetch = reported("Temporal Cloud's API key", lambda: _checked(fetch_key()))
        self.key = Cached(fetch, KEY_LIFE, clock)

    def account_role(self, email: str) -> str | None:
        """This person's role in the account; None if there is no such active user.

        It is empty if the API key may not see it. Raises CloudError or FetchError.
        """
        user = self._user({"email": email})
        return None if user is None else user.account_role()

    def permission(self, email: str, namespace: str) -> str | None:
        """This person's permission for a namespace; None for one who has no access to it.

        It is empty if access comes from a group, or if the API key may not see it.
        Raises CloudError or FetchError.
        """
        try:
            user = self._user({"email": email, "namespace": namespace})
        except FetchError as error:
            if error.status != 404:
                raise
            return None  # there is no such namespace
        return None if user is None else user.permission(namespace)

    def check_filter(self) -> None:
        """Raise CloudError if anybody is listed for a namespace that cannot exist.

        Raises FetchError as the others do.
        """
        try:
            page = self._with_key(self._first_page, {"namespace": f"{token_hex(8)}.invalid"})
        except FetchError as error:
            if error.status != 404:
                raise
            return
        if page.users or page.next_page_token:
            raise CloudError("it lists users of a namespace that does not exist: nobody is let in")

    def _first_page(self, query: dict[str, str], key: _Key) -> _Page:
        return _page(self._host.get(f"/cloud/users?{urlencode(query)}", _headers(key)))

    def _user(self, query: dict[str, str]) -> _User | None:
        return self._with_key(self._find, query)

    def _with_key(self, ask: Callable[[dict[str, str], _Key], T], query: dict[str, str]) -> T:
        key = _held(self.key.get)
        try:
            return ask(query, key)
        except FetchError as error:
            if error.status != 401:
                raise
            newer = _held(self.key.get_newer)
            if newer == key:
                raise
        return ask(query, newer)

    def _find(self, query: dict[str, str], key: _Key) -> _User | None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        for _ in range(MAX_PAGES):
            target = f"/cloud/users?{urlencode(query)}"
            page = _page(self._host.get(target, _headers(key), deadline - time.monotonic()))
            found = next((user for user in page.users if user.is_active(query["email"])), None)
            if found or not page.next_page_token:
                return found
            query = {**query, "pageToken": page.next_page_token}
        raise CloudError(f"more than {MAX_PAGES} pages for one address")


def _headers(key: _Key) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.value}", "temporal-cloud-api-version": API_VERSION}


def _checked(key: str) -> _Key:
    if not _KEY.fullmatch(key.strip()):
        raise CloudError("the secret must hold an API key and nothing else")
    return _Key(key.strip())


def _held(get: Callable[[], _Key]) -> _Key:
    try:
        return get()
    except Unavailable as error:
        raise CloudError(f"no API key: {error.__cause__}") from None


def _page(document: bytes) -> _Page:
    try:
        read_object(document, _MAX_DEPTH)  # msgspec accepts a member twice
        page = msgspec.json.decode(document, type=_Page)
    except (NotStrict, msgspec.MsgspecError) as error:
        raise CloudError(f"not a list of users: {error}") from None
    if len(page.next_page_token) > _MAX_PAGE_TOKEN:
        raise CloudError("not a list of users: a page token without end")
    return page
