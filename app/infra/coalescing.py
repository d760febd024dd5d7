"""Coalescing: what many callers look up by key at the same time is sent as one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")

AT_ONCE = 2  # statements on their way for one kind of look-up
LARGEST_BATCH = 1_000  # keys in one statement


@dataclass(slots=True, eq=False)
class Asked(Generic[Key]):
    """A caller that waits for rows."""

    keys: Sequence[Key]
    answer: asyncio.Future[Sequence[Any]]


class Coalescing(Generic[Key]):
    """One kind of look-up. `fetch` gives a row or None for each key, in order; who asks has a say only as part of the key.

    The first caller's statement goes out at once; whoever comes while enough are on their way joins the next one, which waits no
    longer than until it has as many keys as one statement should have. A statement begins after all its callers have asked, so
    each reads what was committed before. One that nobody waits for any more is cancelled.
    """

    def __init__(self, fetch: Callable[[Sequence[Key]], Awaitable[Sequence[Any]]], *, largest: int = LARGEST_BATCH) -> None:
        self._fetch = fetch
        self._largest = largest  # keys in one statement, but for a caller who asks for more
        self._waiting: list[Asked[Key]] = []
        self._keys_waiting = 0
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, keys: Sequence[Key]) -> Sequence[Any]:
        """Return a row or None for each key.

        Raises:
            Exception: whatever the statement raises, to each of its callers.
        """
        answer: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Asked(keys, answer))
        self._keys_waiting += len(keys)
        if len(self._running) < AT_ONCE:
            self._begin()
        while self._keys_waiting >= self._largest:
            self._begin()
        return await answer

    def _begin(self) -> None:
        """Send a statement for those who wait, if anybody does."""
        callers = self._next()
        if not callers:
            return
        reading = asyncio.create_task(self._read(callers))
        self._running.add(reading)
        reading.add_done_callback(self._end)

        present = len(callers)

        def leave(_answer: asyncio.Future[Any]) -> None:
            nonlocal present
            present -= 1
            if not present:
                reading.cancel()  # which does nothing where it is at its end

        for asked in callers:
            asked.answer.add_done_callback(leave)

    def _end(self, reading: asyncio.Task[None]) -> None:
        self._running.discard(reading)
        if self._waiting:
            self._begin()

    def _next(self) -> list[Asked[Key]]:
        """Return the callers who are answered together: in their order, as many as fit, without those who have left."""
        waiting = [asked for asked in self._waiting if not asked.answer.done()]
        size = count = 0
        for asked in waiting:
            size += len(asked.keys)
            if count and size > self._largest:
                break
            count += 1
        self._waiting = waiting[count:]
        self._keys_waiting = sum(len(asked.keys) for asked in self._waiting)
        return waiting[:count]

    async def _read(self, callers: list[Asked[Key]]) -> None:
        wanted = list(dict.fromkeys(key for asked in callers for key in asked.keys))
        try:
            rows = dict(zip(wanted, await self._fetch(wanted), strict=True))
        except Exception as error:
            for asked in callers:
                if not asked.answer.done():
                    asked.answer.set_exception(error)
            return
        for asked in callers:
            if not asked.answer.done():
                asked.answer.set_result([rows[key] for key in asked.keys])
