"""The open connections of a process: the driver's pool opens and ends them, a list of free ones here hands them out.

The driver's own hand-out costs as much as a small statement, each time; taking from a list costs nothing to speak of.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import asyncpg

RELEASE_TIMEOUT_S = 0.5  # for PostgreSQL to confirm that a statement was stopped or a transaction rolled back


class Connections:
    """At most `size` connections. Whoever finds none free waits in turn.

    Raises from `take`:
        TimeoutError: none came free within `timeout_s`, or PostgreSQL did not open one.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL cannot be reached.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, size: int, timeout_s: float) -> None:
        self._pool = pool
        self._size = size
        self._timeout_s = timeout_s
        self._free: list[Any] = []  # the last one given is the next one taken: few connections stay warm
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._open = 0  # taken from the driver's pool, free ones included
        self.statements = 0  # that were sent by whoever had one

    def take_free(self) -> Any | None:
        """Return a connection that is free and alive, None where there is none."""
        if self._free and is_alive(self._free[-1]):
            return self._free.pop()
        return None

    async def take(self) -> Any:
        """Return a connection, waiting for one where none is free; the caller gives it back."""
        while True:
            if (connection := self.take_free()) is not None:
                return connection
            if self._free:  # it broke while nobody used it
                await self.put_back(self._free.pop())
            elif self._open < self._size:
                return await self._opened()
            elif (connection := await self._given()) is not None:
                return connection

    def give(self, connection: Any) -> None:
        """Give back a connection on which nothing is left to do."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._free.append(connection)

    async def put_back(self, connection: Any) -> None:
        """Give a connection to the driver, which ends what still runs on it, or ends the connection itself."""
        try:
            # Out of time: a stopped statement was not confirmed. The driver ends the connection then.
            with suppress(TimeoutError):
                await self._pool.release(connection, timeout=RELEASE_TIMEOUT_S)
        finally:
            self._open -= 1
            self._invite()

    async def close(self, *, timeout_s: float) -> None:
        """End all connections; those that are still busy after the time are ended in the middle of their work."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._free:
                    await self.put_back(self._free.pop())
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _opened(self) -> Any:
        self._open += 1
        try:
            return await self._pool.acquire(timeout=self._timeout_s)
        except BaseException:
            self._open -= 1
            self._invite()
            raise

    async def _given(self) -> Any | None:
        """Return the connection that somebody gives back; None: there is room to open another one."""
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came in the same moment: for the next in line
                self._pass_on(waiter.result())
            else:
                waiter.cancel()
            raise

    def _pass_on(self, connection: Any | None) -> None:
        if connection is None:
            self._invite()
        else:
            self.give(connection)

    def _invite(self) -> None:
        """Tell the next in line that there is room for a connection."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


def is_alive(connection: Any) -> bool:
    """Say whether a connection can be used; the pool takes one that broke out of its owner's hands."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False
