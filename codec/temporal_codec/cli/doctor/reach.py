"""Whether the endpoint can be called at all: its URL, its place, its certificate."""

import ssl
from collections.abc import Iterator

from temporal_codec.cli.doctor.endpoint import host_of, is_loopback, is_public
from temporal_codec.cli.doctor.finding import Finding, ok, problem, warning
from temporal_codec.cli.doctor.probe import Probe

_SOON_SECONDS = 14 * 24 * 3600

SLASH = warning(
    "endpoint-slash",
    "The endpoint ends in a slash, so the CLI and a Web UI configured with it ask for //decode.",
    "Give it without the slash: {url}",
)
OPERATION = warning(
    "endpoint-operation",
    "The endpoint ends in /{operation}, and the operation is put behind that once more.",
    "Give it without /{operation}.",
)
HTTP_ENDPOINT = problem(
    "http-endpoint",
    "A page from {origin} cannot call plain http: browsers block mixed content.",
    "Serve https. Only http://localhost and http://127.0.0.1 may be called from https pages.",
)
HTTP_TOKEN = problem(
    "http-token",
    "A token must not travel over plain http: the Web UI sends none, and with Pass access token "
    "not even a request.",
    "Serve https, on localhost too, or leave Pass access token off.",
)
HTTP_CLEAR = warning(
    "http-clear",
    "Payloads travel to {host} in the clear.",
    "Serve https; plain http is for one's own machine.",
)
LOCAL_ADDRESS = warning(
    "local-address",
    "{host} is on this machine or its network ({address}), and Chromium asks people before a "
    "page from {origin} may reach it.",
    "Let people allow it when they are asked, or allow it for all with the browser policy "
    "LocalNetworkAccessAllowedForUrls; who is outside the network needs the VPN.",
)
TLS_ENDS_SOON = warning(
    "tls-ends-soon",
    "The certificate of {host} expires in {days} days.",
    "Renew it, and see that renewal is automatic.",
)
CONNECTED = ok("connected", "{host} resolves, accepts connections and speaks HTTP ({version}).")


def check_url(probe: Probe) -> Iterator[Finding]:
    """What the URL alone tells."""
    endpoint, origin = probe.visit.endpoint, probe.visit.origin
    loopback = is_loopback(endpoint.host)
    operation = endpoint.path.rpartition("/")[2]
    if endpoint.slash and endpoint.path:
        yield SLASH(url=endpoint.url)
    if operation in {"decode", "encode", "download"}:
        yield OPERATION(operation=operation)
    if not endpoint.https and not loopback:
        yield HTTP_CLEAR(host=endpoint.host)
        if origin and origin.startswith("https:"):
            yield HTTP_ENDPOINT(origin=origin)
    if not endpoint.https and probe.visit.token and (origin or not loopback):
        yield HTTP_TOKEN()


def check_connection(probe: Probe) -> Iterator[Finding]:
    """Name, address, TLS; what fails there ends the examination."""
    host, origin = probe.visit.endpoint.host, probe.visit.origin
    near = [address for address in probe.line.addresses if not is_public(address)]
    if near and origin and not _is_near(host_of(origin)):
        yield LOCAL_ADDRESS(host=host, address=near[0], origin=origin)
    _ = probe.bare  # the first request
    yield CONNECTED(host=host, version=probe.line.version)
    ends = probe.line.certificate.get("notAfter")
    if ends:
        left = ssl.cert_time_to_seconds(ends) - probe.clock()
        if left < _SOON_SECONDS:
            yield TLS_ENDS_SOON(host=host, days=max(0, int(left // 86_400)))


def _is_near(host: str) -> bool:
    # A page of one's own network may call its own network; names are not resolved for this.
    try:
        return is_loopback(host) or not is_public(host.strip("[]"))
    except ValueError:
        return "." not in host
