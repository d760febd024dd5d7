"""Liveness and readiness."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import web

from app.transports.exchange import json_response

Checks: TypeAlias = Callable[[], Awaitable[dict[str, str]]]

READINESS: Final[web.AppKey[Checks]] = web.AppKey("readiness")


class Drain:
    """Set once the server is told to stop: ready turns red before anything else happens."""

    def __init__(self) -> None:
        self.begun = False


DRAIN: Final = web.AppKey("drain", Drain)


async def healthz(request: web.Request) -> web.Response:
    """Say that the process lives; it needs nothing else to be up."""
    return json_response(request, {"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Say whether requests can be served, part by part: 200 when all is "ok", else 503.

    Redis is not needed to serve: without it the part reads "away" and the answer stays 200.
    """
    parts = await request.app[READINESS]()
    if request.app[DRAIN].begun:
        parts["server"] = "stopping"
    ready = all(state == "ok" for name, state in parts.items() if name != "redis")
    return json_response(request, {"status": "ok" if ready else "not ready", **parts}, status=200 if ready else 503)
