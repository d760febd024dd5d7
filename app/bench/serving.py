"""Programs to compare with: an aiohttp application on a port of this machine, served until the process is ended."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

CLOSE_S = 0.1  # nobody waits for their sockets


async def ready(_request: web.Request) -> web.Response:
    """Say that the program has started."""
    return web.Response()


async def serve(handlers: dict[str, Handler | type[web.View]], port: int) -> None:
    """Serve each path with its handler, whatever the method, and /readyz."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_route("*", path, handler)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()
