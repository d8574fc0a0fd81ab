"""CORS: which web pages may read our responses.

A plain module without dependencies, since the preflight function loads nothing else.
"""

from handlers.settings.cors import Pages

ALLOW_METHODS = "POST, OPTIONS"
ALLOW_HEADERS = frozenset({"authorization", "authorization-extras", "content-type", "x-namespace"})
EXPOSE_HEADERS = "x-codec-undecoded, x-request-id"
MAX_AGE_SECONDS = 7200  # the most that Chromium honors

# Sent with every response: caches must not store it, browsers must not guess its type.
ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Cors:
    """The answers' headers for each allowed origin, computed once."""

    def __init__(self, pages: Pages) -> None:
        self.origins = pages.origins
        self.allow_headers = ", ".join(sorted(ALLOW_HEADERS.union(pages.more_headers)))
        self._more = {"access-control-allow-credentials": "true"} if pages.credentials else {}

    def headers(self, origin: str | None) -> dict[str, str]:
        """Headers of any answer but a preflight's."""
        if origin not in self.origins:
            return {"vary": "Origin", **ALWAYS}
        return {
            "access-control-allow-origin": str(origin),
            "access-control-expose-headers": EXPOSE_HEADERS,
            "vary": "Origin",
            **self._more,
            **ALWAYS,
        }

    def preflight_headers(self, origin: str | None) -> dict[str, str]:
        """Headers of a preflight's answer; for a foreign origin it allows nothing."""
        vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        if origin not in self.origins:
            return {"vary": vary, **ALWAYS}
        return {
            "access-control-allow-origin": str(origin),
            "access-control-allow-methods": ALLOW_METHODS,
            "access-control-allow-headers": self.allow_headers,
            "access-control-max-age": str(MAX_AGE_SECONDS),
            "vary": vary,
            **self._more,
            **ALWAYS,
        }
