"""Variables of other programs that put tokens, keys or payloads into logs: each stops the start.

They are those that the libraries' own documentation names. A plain module without dependencies,
since the preflight function loads it.
"""

from collections.abc import Mapping

# What each does, and who says so.
LEAKS = {
    "POWERTOOLS_LOGGER_LOG_EVENT": "Powertools logs each event, with its token and payloads",
    "POWERTOOLS_DEBUG": "Powertools logs what it is given",
    "POWERTOOLS_LOGGER_SAMPLE_RATE": "Powertools logs some requests at DEBUG",
    "PYTHONASYNCIODEBUG": "asyncio logs slow callbacks with their arguments, such as bodies",
    "PYTHONDEVMODE": "Python switches asyncio's debug mode on",
    "SSLKEYLOGFILE": "OpenSSL writes the keys of TLS connections to a file",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "traces hold request headers",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": "traces hold request headers",
    "DD_CAPTURE_LAMBDA_PAYLOAD": "Datadog's layer traces events and answers",
}
_OFF = frozenset({"", "0", "0.0", "false", "no", "off", "n", "f"})
# Python's and OpenSSL's are on with any text, `0` too.
_READ = ("POWERTOOLS_", "DD_")


def leaks(environ: Mapping[str, str]) -> list[str]:
    """The variables that are set to more than off."""
    found = {name: environ.get(name, "") for name in LEAKS}
    return [n for n, v in found.items() if v and (v.lower() not in _OFF or not n.startswith(_READ))]
