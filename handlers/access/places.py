"""Where in a request a token may be: the first place that holds one decides (rule T5)."""

from collections.abc import Mapping

from handlers.access.jws import refuse

MAX_TOKEN_BYTES = 8192
ALB_HEADER = "header:x-amzn-oidc-data"

Headers = Mapping[bytes, bytes]
"""A request's headers, by lower-case name."""


def find_token(places: tuple[str, ...], headers: Headers) -> tuple[str, str]:
    """The first place that holds a token, and the token; raises TokenRefused."""
    for place in places:
        kind, _, name = place.partition(":")
        value = _cookie(name, headers) if kind == "cookie" else _header(name or kind, headers)
        if value:
            if len(value) > MAX_TOKEN_BYTES:
                refuse("not one bearer token of a fitting size")
            return place, _bare(value, needs_scheme=kind == "authorization")
    return refuse("no token")


def _header(name: str, headers: Headers) -> str:
    return headers.get(name.encode(), b"").decode("latin-1")


def _cookie(name: str, headers: Headers) -> str:
    pairs = (each.strip().partition("=") for each in _header("cookie", headers).split(";"))
    found = [value for key, _, value in pairs if key == name]
    if len(found) > 1:
        refuse("two cookies of one name")
    return found[0] if found else ""


def _bare(value: str, *, needs_scheme: bool) -> str:
    scheme, blank, token = value.partition(" ")
    if blank or needs_scheme:
        if scheme.lower() != "bearer":
            refuse("not one bearer token of a fitting size")
        return token
    return value
