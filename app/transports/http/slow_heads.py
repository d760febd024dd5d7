"""Connections that never send a whole request head: found and closed by one sweep for all."""

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

SWEEP_S = 1.0


class SlowHeads:
    """Closes connections whose first request's head does not arrive in time; aiohttp itself waits for ever.

    Later heads on a kept connection fall under aiohttp's keep-alive timeout, which does close them.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._spoke: set[RequestHandler] = set()
        self._silent_since: dict[RequestHandler, float] = {}

    def hear(self, request: web.BaseRequest) -> None:
        """Note that the request's connection has sent a head."""
        self._spoke.add(request.protocol)

    async def sweep_for_ever(self, server: web.Server) -> None:
        """Look at the server's connections once a second."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep(server.connections, asyncio.get_running_loop().time())

    def _sweep(self, connections: list[RequestHandler], now: float) -> None:
        self._spoke &= set(connections)  # what has closed is forgotten
        silent = [connection for connection in connections if connection not in self._spoke]
        self._silent_since = {connection: self._silent_since.get(connection, now) for connection in silent}
        for connection, since in self._silent_since.items():
            if now - since >= self._timeout_s:
                connection.force_close()
