"""Temporal Cloud's lists of users and groups, as its Cloud Ops API writes them.

The API's public definition is protobuf; its HTTP form is that of proto3 JSON: names in camel
case, enums by name, an absent message as null.
"""

from typing import TypeVar

import msgspec

from temporal_codec.errors import CodecError
from temporal_codec.strict_json import NotStrict, read_struct

P = TypeVar("P", bound="Page")
_MAX_DEPTH = 16
_MAX_PAGE_TOKEN = 2048
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


class Spec(msgspec.Struct):
    """The fields of a user or a group that matter here."""

    email: str | None = None
    access: _Access | None = None


class Listed(msgspec.Struct):
    """A user or a group."""

    spec: Spec
    id: str = ""
    state: str = ""

    def is_active(self) -> bool:
        """Whether it exists and may be used."""
        return self.state in _STATES

    def has_email(self, email: str) -> bool:
        """Whether it is the user with this address, in lower case; raises CloudError."""
        listed = self.spec.email
        if listed is None:
            raise CloudError("not the list that was asked for: a user without an address")
        return listed.isascii() and listed.lower() == email

    def account_role(self) -> str:
        """Its role in the account; empty if the API key may not see it."""
        access = self.spec.access
        return access.account_access.role if access and access.account_access else ""

    def permission(self, namespace: str) -> str:
        """Its own permission for a namespace; empty if it has none, or the key may not see it."""
        given = self.spec.access.namespace_accesses if self.spec.access else {}
        return given[namespace].permission if namespace in given else ""


class Page(msgspec.Struct, rename="camel"):
    """A page of a list."""

    next_page_token: str = ""


def read_page(document: bytes, kind: type[P]) -> P:
    """A page of a list of this kind; raises CloudError."""
    try:
        page = read_struct(document, kind, _MAX_DEPTH)
    except NotStrict as error:
        raise CloudError(f"not the list that was asked for: {error}") from None
    if len(page.next_page_token) > _MAX_PAGE_TOKEN:
        raise CloudError("not the list that was asked for: a page token without end")
    return page
