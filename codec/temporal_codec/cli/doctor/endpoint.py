"""A Codec Server's endpoint, as people paste it into the Web UI, and the page that calls it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from temporal_codec.cli.errors import WrongUsage
from temporal_codec.errors import InvalidNamespace
from temporal_codec.namespace import PLACEHOLDER, check_namespace

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9.-]+)(:[0-9]{1,5})?")
_IN_A_PATH = "/%:@!$&'()*+,;=~-._"
_LOOKS_LIKE = "An endpoint looks like https://codec.example.com or http://localhost:8081/codec."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL that requests go to."""

    https: bool
    host: str
    port: int
    path: str
    """Without a slash at its end; the operation is appended to it."""
    slash: bool
    """Whether the URL was given with a slash at its end."""

    @property
    def url(self) -> str:
        """The endpoint in its normal form."""
        return f"{'https' if self.https else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and port as a URL writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.https else 80) else f"{host}:{self.port}"


def read_endpoint(url: str, namespace: str) -> Endpoint:
    """Read an endpoint's URL; raises WrongUsage, which never shows the URL."""
    if not url.isprintable() or " " in url:
        raise WrongUsage(f"This is not a URL. {_LOOKS_LIKE}")
    try:
        parts = urlsplit(url.replace(PLACEHOLDER, quote(check_namespace(namespace), safe="")))
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except InvalidNamespace:
        raise WrongUsage(
            "--namespace is not the name of a namespace. Write it as the Web UI shows it."
        ) from None
    except ValueError:  # UnicodeError, too
        raise WrongUsage(f"This is not a URL. {_LOOKS_LIKE}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise WrongUsage(f"This is not an HTTP or HTTPS URL. {_LOOKS_LIKE}")
    if "@" in parts.netloc:
        raise WrongUsage(
            "Browsers do not call URLs that contain a user name or a password. Remove them."
        )
    if parts.query or parts.fragment:
        raise WrongUsage(
            "Clients append the operation to the endpoint: remove everything from ? or # on."
        )
    https = parts.scheme == "https"
    path = quote(parts.path, safe=_IN_A_PATH)
    number = port or (443 if https else 80)
    return Endpoint(https, host, number, path.rstrip("/"), path.endswith("/"))


def read_origin(origin: str) -> str:
    """Read an origin as browsers write it; raises WrongUsage."""
    if not _ORIGIN.fullmatch(origin):
        raise WrongUsage(
            "--origin takes the scheme, host and port of the page, without a slash at its end: "
            "https://cloud.temporal.io or http://localhost:8233."
        )
    return origin.lower()


def is_loopback(host: str) -> bool:
    """Whether browsers treat this host as the machine that they run on."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether an address is on the internet, not on this machine or its network."""
    return ip_address(address.partition("%")[0]).is_global


def host_of(origin: str) -> str:
    """The host of an origin."""
    return urlsplit(origin).hostname or ""
