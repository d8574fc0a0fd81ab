"""Temporal Cloud's lists, asked for with its Cloud Ops API over https.

What cannot be read is no answer, and neither is an answer about somebody else.
"""

import re
import time
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from handlers.access.documents import DEADLINE_SECONDS, FetchError, HttpsHost, ProxyOf, no_proxy
from handlers.access.listed import CloudError, Listed, Page, read_page
from temporal_codec.cached import Cached, Unavailable
from temporal_codec.clock import Clock, Life, system_clock
from temporal_codec.reported import reported

T = TypeVar("T")
P = TypeVar("P", bound=Page)
URL = "https://saas-api.tmprl.cloud"
API_VERSION = "v0.17.0"
KEY_LIFE = Life(fresh=300, last_good=3600, cooldown=30)
# A filter may leave a page empty and go on; one address never fills this many.
MAX_PAGES = 5
# What a bearer token may look like; so a line's end cannot slip into the request.
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")


class _Users(Page):
    users: list[Listed] = []  # noqa: RUF012 — msgspec copies it


class Key(msgspec.Struct, frozen=True):
    """The API key, which no representation shows."""

    value: str

    __repr__ = object.__repr__


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

    def permission(self, email: str, namespace: str) -> tuple[str, str] | None:
        """This person's id, and permission for a namespace; None for one without access to it.

        The permission is empty if access comes from a group, or if the API key may not see it.
        Raises CloudError or FetchError.
        """
        try:
            user = self._user({"email": email, "namespace": namespace})
        except FetchError as error:
            if error.status != 404:
                raise
            return None  # there is no such namespace
        return None if user is None else (user.id, user.permission(namespace))

    def check_filter(self) -> None:
        """Raise CloudError if anybody is listed for a namespace that cannot exist.

        Raises FetchError as the others do.
        """
        try:
            page = self.with_key(self._first_page, {"namespace": f"{token_hex(8)}.invalid"})
        except FetchError as error:
            if error.status != 404:
                raise
            return
        if page.users or page.next_page_token:
            raise CloudError("it lists users of a namespace that does not exist: nobody is let in")

    def with_key(self, ask: Callable[[dict[str, str], Key], T], query: dict[str, str]) -> T:
        """The result of `ask` with the API key, or with a newer key if this one is rejected."""
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

    def pages(
        self, path: str, query: dict[str, str], key: Key, kind: type[P], deadline: float
    ) -> Iterator[P]:
        """The pages of a list, until a time of the monotonic clock."""
        for _ in range(MAX_PAGES):
            target, left = f"{path}?{urlencode(query)}", deadline - time.monotonic()
            page = read_page(self._host.get(target, _headers(key), left), kind)
            yield page
            if not page.next_page_token:
                return
            query = {**query, "pageToken": page.next_page_token}
        raise CloudError(f"more than {MAX_PAGES} pages for one list")

    def _first_page(self, query: dict[str, str], key: Key) -> _Users:
        return next(self.pages("/cloud/users", query, key, _Users, deadline()))

    def _user(self, query: dict[str, str]) -> Listed | None:
        return self.with_key(self._find, query)

    def _find(self, query: dict[str, str], key: Key) -> Listed | None:
        for page in self.pages("/cloud/users", query, key, _Users, deadline()):
            for user in page.users:
                if user.is_active() and user.has_email(query["email"]):
                    return user
        return None


def deadline() -> float:
    """When a look-up that begins now must be done, by the monotonic clock."""
    return time.monotonic() + DEADLINE_SECONDS


def _headers(key: Key) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.value}", "temporal-cloud-api-version": API_VERSION}


def _checked(key: str) -> Key:
    key = key.removeprefix("\ufeff").strip()  # of a file that a Windows editor wrote
    if not _KEY.fullmatch(key):
        raise CloudError("the secret must hold an API key and nothing else")
    return Key(key)


def _held(get: Callable[[], Key]) -> Key:
    try:
        return get()
    except Unavailable as error:
        raise CloudError(f"no API key: {error.__cause__}") from None
