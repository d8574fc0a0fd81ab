"""The least that a Python server of ours could take: uvicorn around an answer that is ready.

Started as ``python -m benchmarks.nothing_server PORT``.
"""

import sys

import uvicorn

from benchmarks.cases import CASES
from handlers.asgi import Receive, Scope, Send

_BODY = CASES[0].plain()
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Read a body to its end, and give another back."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
    )
