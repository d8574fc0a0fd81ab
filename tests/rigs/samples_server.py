"""The design of the Codec Server in Temporal's Python samples, read from its source."""

from dataclasses import replace

from tests.rigs.faulty_server import Reply, Request, coded


def samples_server(request: Request) -> Reply:
    """What the Codec Server of Temporal's Python samples does, read from its source.

    One origin over http, two headers, no token, no preflight for /encode, no CORS on errors, and
    the web framework's limit of 1 MiB on bodies.
    """
    page = "http://localhost:8233"
    text = Reply(200, {"content-type": "text/plain; charset=utf-8", "server": "aiohttp"})
    if request.operation not in {"decode", "encode"}:
        return text.but(404).saying(b"404: Not Found")
    if request.method == "OPTIONS" and request.operation == "encode":
        return text.but(405).saying(b"405: Method Not Allowed")
    if len(request.body) > 1024**2:
        return text.but(413).saying(b"Maximum request body size 1048576 exceeded")
    reply = text if request.method == "OPTIONS" else text.saying({"payloads": coded(request)})
    if request.method != "OPTIONS":
        reply = replace(reply, headers={"content-type": "application/json; charset=utf-8"})
    if request.headers.get("origin") != page:
        return reply
    return reply.but(
        allow_origin=page, allow_methods="POST", allow_headers="content-type,x-namespace"
    )
