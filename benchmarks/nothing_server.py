"""The least that a Python server of ours could take: uvicorn, and a body that is given back.

Started as ``python -m benchmarks.nothing_server PORT``.
"""

import sys

import uvicorn

from handlers.server.asgi import Send
from handlers.server.request import Receive, Scope


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Give a body back as it came."""
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message["body"])
        more = message["more_body"]
    body = b"".join(chunks)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
