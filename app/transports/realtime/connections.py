"""The open connections of this process: one sweep looks after all of them, and they are sent away spread over time."""

import asyncio
import random
import socket
from typing import Final, Protocol

import structlog
from aiohttp import hdrs, web

from app.settings import Settings
from app.transports.errors import RequestError

log = structlog.get_logger(__name__)

LONGEST_SWEEP_S = 1.0  # between two looks at the same connection
RETRY_WINDOW_MS = (200, 3_000)  # clients that are sent away come back spread over this time
SENT_AWAY_PER_S = 50  # while stopping; more where there are more than fit into the time
UNACKNOWLEDGED_MS = 45_000  # a peer that confirms nothing for so long is gone (tcp(7), TCP_USER_TIMEOUT)
CLOSED_AT_A_TIME = 100  # others get a turn in between


def bound(transport: asyncio.Transport, settings: Settings) -> None:
    """Let the transport say "full" where our own limit is, and the system notice a peer that is gone without a word."""
    transport.set_write_buffer_limits(high=settings.ws_catch_up_bytes)
    own = transport.get_extra_info("socket")
    if own is not None and own.family in {socket.AF_INET, socket.AF_INET6}:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)


class Connection(Protocol):
    """A client that stays connected."""

    def look_after(self, now: float) -> None:
        """Do what is due at this moment of the loop's clock: a heartbeat, an end; returns at once."""

    async def send_away(self, retry_ms: int) -> None:
        """End it, telling the client to come back after so many milliseconds."""


class Connections:
    """All of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.open: set[Connection] = set()
        self.slow_closes = 0  # clients that were given up because they did not read
        self.is_draining = False

    def require_open(self) -> None:
        """Refuse new connections once the server stops.

        Raises:
            RequestError: it does.
        """
        if self.is_draining:
            message = "The server is stopping: come back in a moment."
            raise RequestError("OVERLOADED", message, headers={hdrs.RETRY_AFTER: "1"})

    async def sweep(self) -> None:
        """Look after every connection, for ever."""
        limits = self._settings
        shortest_s = min(limits.ws_heartbeat_s, limits.ws_init_timeout_s, limits.sse_heartbeat_s, limits.ws_stalled_s)
        interval_s = min(LONGEST_SWEEP_S, shortest_s / 4)
        while True:
            await asyncio.sleep(interval_s)
            now = asyncio.get_running_loop().time()
            for connection in list(self.open):
                try:
                    connection.look_after(now)
                except Exception as error:  # one of them must not keep the sweep from the others
                    log.error("connection_not_looked_after", exc_info=error)

    async def drain(self) -> None:
        """Take no new connection, and send everybody away: not all at once, each with a moment of its own to come back."""
        self.is_draining = True
        leaving = list(self.open)
        random.shuffle(leaving)
        window_s = min(self._settings.drain_s, len(leaving) / SENT_AWAY_PER_S)
        pause_s = window_s / max(1, len(leaving))
        loop = asyncio.get_running_loop()
        start, ends = loop.time(), []
        for number, connection in enumerate(leaving):
            retry_ms = random.randint(*RETRY_WINDOW_MS)  # noqa: S311  # it spreads load, it keeps no secret
            ends.append(asyncio.ensure_future(connection.send_away(retry_ms)))
            due = start + (number + 1) * pause_s
            if due > loop.time() or number % CLOSED_AT_A_TIME == 0:
                await asyncio.sleep(max(0.0, due - loop.time()))
        await asyncio.gather(*ends, return_exceptions=True)


CONNECTIONS: Final = web.AppKey("connections", Connections)
