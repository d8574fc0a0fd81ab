"""Temporal Cloud's user groups: whose members may write in a namespace.

    GET /cloud/user-groups?namespace=orders.a1b2c
    GET /cloud/user-groups/GROUP/members

What a group gives is not in a user's own entry. It is asked for only if somebody who is listed for
the namespace wants more than to read.
"""

from functools import partial
from urllib.parse import quote

import msgspec

from handlers.access.cloud_ops import CloudOps, Key, deadline
from handlers.access.documents import FetchError
from handlers.access.listed import Listed, Page

# How many of the groups that may write in a namespace are asked for their members.
MAX_GROUPS = 10
_MAX_ID = 128
_WRITES = frozenset({"PERMISSION_WRITE", "PERMISSION_ADMIN"})


class _Groups(Page):
    groups: list[Listed] = []  # noqa: RUF012 — msgspec copies it


class _MemberId(msgspec.Struct, rename="camel"):
    user_id: str = ""


class _Member(msgspec.Struct, rename="camel"):
    member_id: _MemberId


class _Members(Page):
    members: list[_Member] = []  # noqa: RUF012 — msgspec copies it


def writers(ops: CloudOps, namespace: str) -> frozenset[str]:
    """The ids of the users who may write there through a group.

    Nobody if the API key may not see groups. Raises CloudError or FetchError.
    """
    try:
        return ops.with_key(partial(_writers, ops), {"namespace": namespace})
    except FetchError as error:
        if error.status not in {403, 404}:
            raise
        return frozenset()


def _writers(ops: CloudOps, query: dict[str, str], key: Key) -> frozenset[str]:
    path, until = "/cloud/user-groups", deadline()
    ids = [
        group.id
        for page in ops.pages(path, query, key, _Groups, until)
        for group in page.groups
        if group.is_active() and group.permission(query["namespace"]) in _WRITES
    ]
    return frozenset(
        member.member_id.user_id
        for each in ids[:MAX_GROUPS]
        if 0 < len(each) <= _MAX_ID
        for page in ops.pages(f"{path}/{quote(each, safe='')}/members", _ALL, key, _Members, until)
        for member in page.members
    ) - {""}


_ALL = {"pageSize": "1000"}
