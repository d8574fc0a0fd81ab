"""Why a line to a server fails, and what its errors mean."""

import ssl
from typing import Any

from temporal_codec.cli.doctor.finding import Finding, problem

UNKNOWN_HOST = problem(
    "unknown-host",
    "The name {host} does not resolve.",
    "Look at its spelling, and whether this machine must be in a private network (VPN) to know it.",
)
REFUSED = problem(
    "connection-refused",
    "Nothing accepts connections at {host}, port {port}.",
    "Start the server, or correct the port; a server in a container must listen on 0.0.0.0.",
)
UNREACHABLE = problem(
    "unreachable",
    "{host}, port {port}, cannot be reached ({reason}).",
    "Look at firewalls, security groups and the VPN. A proxy is not used here; browsers may.",
)
TLS_EXPIRED = problem(
    "tls-expired", "The certificate of {host} has expired.", "Renew it, or switch renewal on."
)
TLS_NOT_YET = problem(
    "tls-not-yet-valid",
    "The certificate of {host} is not valid yet.",
    "Look at this machine's clock; else wait, or put the former certificate back.",
)
TLS_NAME = problem(
    "tls-wrong-name",
    "The certificate is for another name than {host}.",
    "Use the name that the certificate has, or get a certificate for this one.",
)
TLS_CA = problem(
    "tls-unknown-ca",
    "The certificate of {host} comes from nobody whom this machine trusts ({reason}).",
    "Let the server send its intermediate certificates. For a CA of your own give --ca-file; "
    "browsers must trust it too, and the CLI takes it from SSL_CERT_FILE.",
)
TLS_NOT_SPOKEN = problem(
    "tls-not-spoken",
    "{host}, port {port}, does not speak TLS.",
    "Use the server's https port. If it only has plain http, put a certificate in front of it.",
)
TLS_FAILED = problem(
    "tls-failed",
    "The TLS handshake with {host} failed ({reason}).",
    "Look at the server's TLS settings: TLS 1.2 or 1.3, and no client certificate.",
)
NO_ANSWER = problem(
    "no-answer",
    "{what} got no answer ({reason}).",
    "Look at the server's log, and at what stands in front of it; --timeout waits longer.",
)
NOT_HTTP = problem(
    "not-http",
    "What answers {what} does not speak HTTP.",
    "Correct the port, and http or https; the server must speak HTTP/1.1.",
)
ENDLESS = problem(
    "answer-endless",
    "The answer to {what} is larger than 8 MB, for less than a kilobyte that was asked.",
    "This is no Codec Server's answer: correct the URL.",
)

# OpenSSL's numbers of what may be wrong with a certificate.
_BY_CODE = {9: TLS_NOT_YET, 10: TLS_EXPIRED, 62: TLS_NAME, 64: TLS_NAME}
# What OpenSSL says of bytes that are no TLS.
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}


def connection_fault(error: OSError, told: dict[str, Any]) -> Finding:
    """What keeps a connection from being made; `told` has its host and port."""
    kind = REFUSED if isinstance(error, ConnectionRefusedError) else UNREACHABLE
    return kind(**told, reason=reason(error))


def tls_fault(error: OSError, told: dict[str, Any]) -> Finding:
    """What keeps a connection from being trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _BY_CODE.get(error.verify_code, TLS_CA)
        return kind(**told, reason=error.verify_message)
    name = getattr(error, "reason", None) or reason(error)
    kind = TLS_NOT_SPOKEN if name in _NO_TLS else TLS_FAILED
    return kind(**told, reason=name)


def reason(error: OSError) -> str:
    """An error of the network in words."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    return error.strerror or "the connection was closed"
