"""A Codec Server in the form of Temporal's Python sample: its routes, its CORS, its limits.

Started as ``python -m tests.rigs.python_sample PORT``. The sample encrypts as this does; its CORS
is for one page and two headers, and errors of its codec become 500 without any.
"""

import sys

from aiohttp import web

from benchmarks.samples import Samples

_PAGE = "http://localhost:8233"


def build() -> web.Application:
    """The sample's three routes."""
    samples = Samples()

    async def preflight(request: web.Request) -> web.Response:
        return _allowed(request, web.Response())

    async def decode(request: web.Request) -> web.Response:
        return _allowed(request, _json(samples.decode(await request.read())))

    async def encode(request: web.Request) -> web.Response:
        return _allowed(request, _json(samples.encode(await request.read())))

    app = web.Application()
    app.add_routes(
        [
            web.post("/encode", encode),
            web.post("/decode", decode),
            web.options("/decode", preflight),
        ]
    )
    return app


def _allowed(request: web.Request, response: web.Response) -> web.Response:
    if request.headers.get("origin") == _PAGE:
        response.headers["Access-Control-Allow-Origin"] = _PAGE
        response.headers["Access-Control-Allow-Methods"] = "POST"
        response.headers["Access-Control-Allow-Headers"] = "content-type,x-namespace"
    return response


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
