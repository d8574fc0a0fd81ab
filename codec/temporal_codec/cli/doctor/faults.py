"""Why a connection to a server fails, and what its errors mean."""

import ssl
from typing import Any

from temporal_codec.cli.doctor.finding import Finding, problem

UNKNOWN_HOST = problem(
    "unknown-host",
    "The name {host} does not resolve.",
    "Check the spelling, and whether the name resolves only inside a private network (VPN).",
)
REFUSED = problem(
    "connection-refused",
    "Nothing accepts connections on {host}, port {port}.",
    "Start the server, or correct the port. A server in a container must listen on 0.0.0.0.",
)
UNREACHABLE = problem(
    "unreachable",
    "{host}, port {port}, cannot be reached ({reason}).",
    "Check firewalls, security groups and the VPN. The doctor uses no proxy; browsers may.",
)
TLS_EXPIRED = problem(
    "tls-expired",
    "The certificate of {host} has expired.",
    "Renew it, and turn on automatic renewal.",
)
TLS_NOT_YET = problem(
    "tls-not-yet-valid",
    "The certificate of {host} is not valid yet.",
    "Check this machine's clock. If it is right, restore the previous certificate, or wait.",
)
TLS_NAME = problem(
    "tls-wrong-name",
    "The certificate is for another name than {host}.",
    "Use the name in the certificate, or get a certificate for this name.",
)
TLS_CA = problem(
    "tls-unknown-ca",
    "This machine does not trust the issuer of the certificate of {host} ({reason}).",
    "Configure the server to send its intermediate certificates. For a private CA, use --ca-file. "
    "Browsers must trust that CA too, and the CLI reads it from SSL_CERT_FILE.",
)
TLS_NOT_SPOKEN = problem(
    "tls-not-spoken",
    "{host}, port {port}, does not speak TLS.",
    "Use the server's HTTPS port. If it serves only plain HTTP, terminate TLS in front of it.",
)
TLS_FAILED = problem(
    "tls-failed",
    "The TLS handshake with {host} failed ({reason}).",
    "Check the server's TLS settings: TLS 1.2 or 1.3, and no client certificate.",
)
NO_ANSWER = problem(
    "no-answer",
    "{what} got no response ({reason}).",
    "Check the log of the server and of any proxy in front of it. --timeout waits longer.",
)
NOT_HTTP = problem(
    "not-http",
    "The response to {what} is not HTTP.",
    "Correct the port and the scheme (http or https). The server must speak HTTP/1.1.",
)
ENDLESS = problem(
    "answer-endless",
    "The response to {what} is larger than 8 MB, for a request of less than a kilobyte.",
    "This is not a Codec Server's response: correct the URL.",
)

# OpenSSL's error numbers for certificates.
_BY_CODE = {9: TLS_NOT_YET, 10: TLS_EXPIRED, 62: TLS_NAME, 64: TLS_NAME}
# OpenSSL's errors for bytes that are not TLS.
_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}


def connection_fault(error: OSError, told: dict[str, Any]) -> Finding:
    """Why no connection is made; `told` has the host and the port."""
    kind = REFUSED if isinstance(error, ConnectionRefusedError) else UNREACHABLE
    return kind(**told, reason=reason(error))


def tls_fault(error: OSError, told: dict[str, Any]) -> Finding:
    """Why a connection is not trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _BY_CODE.get(error.verify_code, TLS_CA)
        return kind(**told, reason=error.verify_message)
    name = getattr(error, "reason", None) or reason(error)
    kind = TLS_NOT_SPOKEN if name in _NO_TLS else TLS_FAILED
    return kind(**told, reason=name)


def reason(error: OSError) -> str:
    """A network error in words."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    return error.strerror or "the connection was closed"
