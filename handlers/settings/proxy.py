"""The proxy for a host, from HTTPS_PROXY and NO_PROXY, as botocore in this process does."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from handlers.settings.environ import Environ, SettingsError
from temporal_codec.https import Proxy


def read_proxy(environ: Environ) -> Callable[[str], Proxy | None]:
    """A function that gives the proxy for HOST or HOST:PORT, or None.

    Raises SettingsError, which shows no address.
    """
    url, bypassed = (
        environ.get(n, environ.get(n.upper(), "")) for n in ("https_proxy", "no_proxy")
    )
    if not url:
        return lambda _host: None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or not host:
        raise SettingsError(
            "HTTPS_PROXY must be http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    proxy = Proxy(host, port, f"{user}:{password}" if parts.username else "")

    def proxy_of(host: str) -> Proxy | None:
        return None if proxy_bypass_environment(host, {"no": bypassed}) else proxy

    return proxy_of
