"""Whether the endpoint can be called at all: its URL, its network, its certificate."""

import ssl
from collections.abc import Iterator

from temporal_codec.cli.doctor.endpoint import host_of, is_loopback, is_public
from temporal_codec.cli.doctor.finding import Finding, Unreached, ok, problem, warning
from temporal_codec.cli.doctor.probe import Probe

_SOON_SECONDS = 14 * 24 * 3600

SLASH = warning(
    "endpoint-slash",
    "The endpoint ends in a slash, so the CLI and a Web UI configured with it request //decode.",
    "Remove the slash: {url}",
)
OPERATION = warning(
    "endpoint-operation",
    "The endpoint ends in /{operation}, and clients append the operation a second time.",
    "Remove /{operation} from the endpoint.",
)
HTTP_ENDPOINT = problem(
    "http-endpoint",
    "A page from {origin} cannot call plain HTTP: browsers block mixed content.",
    "Serve HTTPS. An HTTPS page can call plain HTTP only on localhost and 127.0.0.1.",
)
HTTP_TOKEN = problem(
    "http-token",
    "The Web UI sends no token over plain HTTP, and with Pass access token it sends no request.",
    "Serve HTTPS, on localhost too, or turn off Pass access token.",
)
HTTP_CLEAR = warning(
    "http-clear",
    "Payloads travel to {host} unencrypted.",
    "Serve HTTPS. Plain HTTP is only for your own machine.",
)
LOCAL_ADDRESS = warning(
    "local-address",
    "{host} is on this machine or its network ({address}). Chromium asks for permission before a "
    "page from {origin} can reach it.",
    "Allow it when the browser asks, or allow it for everybody with the browser policy "
    "LocalNetworkAccessAllowedForUrls. People outside the network need the VPN.",
)
TLS_ENDS_SOON = warning(
    "tls-ends-soon",
    "The certificate of {host} expires in {days} days.",
    "Renew it, and check that renewal is automatic.",
)
NOT_A_CODEC_SERVER = problem(
    "not-a-codec-server",
    "This is not a Codec Server: it cannot handle POST ({status}{server}).",
    "Correct the URL. A file server, a proxy or another program responds at this one.",
)
CONNECTED = ok("connected", "{host} resolves, accepts connections and speaks HTTP ({version}).")


def check_url(probe: Probe) -> Iterator[Finding]:
    """Check what the URL alone shows."""
    endpoint, origin = probe.target.endpoint, probe.target.origin
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
    if not endpoint.https and probe.target.token and (origin or not loopback):
        yield HTTP_TOKEN()


def check_connection(probe: Probe) -> Iterator[Finding]:
    """Check name, address and TLS; a failure ends the examination."""
    host, origin = probe.target.endpoint.host, probe.target.origin
    near = [address for address in probe.connection.addresses if not is_public(address)]
    if near and origin and not _is_near(host_of(origin)):
        yield LOCAL_ADDRESS(host=host, address=near[0], origin=origin)
    first = probe.bare  # the first request
    yield CONNECTED(host=host, version=probe.connection.version)
    if first.status == 501:
        server = first.header("server")
        told = {"status": first.status, "server": f", {server}" if server else ""}
        raise Unreached(NOT_A_CODEC_SERVER(**told))
    ends = probe.connection.certificate.get("notAfter")
    if ends:
        left = ssl.cert_time_to_seconds(ends) - probe.clock()
        if left < _SOON_SECONDS:
            yield TLS_ENDS_SOON(host=host, days=max(0, int(left // 86_400)))


def _is_near(host: str) -> bool:
    # A page of a private network may call that network; the page's name is not resolved.
    try:
        return is_loopback(host) or not is_public(host.strip("[]"))
    except ValueError:
        return "." not in host
