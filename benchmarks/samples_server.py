"""A Codec Server in the way of Temporal's Python sample; its limit on bodies is raised.

Started as ``python -m benchmarks.samples_server PORT``.
"""

import sys

from aiohttp import web

from benchmarks.samples import Samples


def build() -> web.Application:
    """The two routes of the sample, which reads a body whole and answers JSON."""
    samples = Samples()

    async def decode(request: web.Request) -> web.Response:
        return _json(samples.decode(await request.read()))

    async def encode(request: web.Request) -> web.Response:
        return _json(samples.encode(await request.read()))

    app = web.Application(client_max_size=8 << 20)
    app.add_routes([web.post("/decode", decode), web.post("/encode", encode)])
    return app


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
