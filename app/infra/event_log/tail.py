"""The tail: what one process knows of the log's end, and the place where its listeners wait."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from app.domain.errors import FeedgraphError
from app.domain.events import Event, EventCursor
from app.infra.database import Database
from app.infra.event_log import journal

log = structlog.get_logger(__name__)

EVENTS_IN_MEMORY = 10_000
POLL_WITH_REDIS_S = 5.0  # the head announced each second makes this a mere safety net
RETRY_S = 0.5
CURRENT_FOR_S = 3.0  # the head is announced each second: whoever hears nothing for so long may know an old one


class Tail:
    """The newest events, in order and without a hole, and the position of the last one."""

    def __init__(self, db: Database, *, poll_s: float, hears_redis: Callable[[], bool]) -> None:
        self._db = db
        self._poll_s = poll_s
        self._hears_redis = hears_redis
        self._events: deque[Event] = deque(maxlen=EVENTS_IN_MEMORY)
        self._grown = asyncio.Event()
        self._behind = asyncio.Event()
        self._reading = asyncio.Lock()
        self.cursor = EventCursor(0, 0)
        self._current_s = float("-inf")  # of the monotonic clock: when this was the log's head for sure

    async def start(self) -> None:
        """Learn the log's head; everything later is followed."""
        self.cursor = await journal.head(self._db)
        self._current_s = time.monotonic()

    @property
    def is_current(self) -> bool:
        """Whether the position was the log's head a moment ago; else nobody here knows what happened since."""
        return time.monotonic() - self._current_s < CURRENT_FOR_S

    def receive(self, epoch: int, events: list[Event]) -> None:
        """Take a batch from the relay; a hole before it, or an unknown epoch, is left to `run` to read."""
        fresh = [event for event in events if event.position > self.cursor.position]
        if not fresh:
            return
        if epoch != self.cursor.epoch or fresh[0].position != self.cursor.position + 1:
            self._behind.set()
            return
        self._events.extend(fresh)
        self._advance(fresh[-1].position)

    def announce(self, cursor: EventCursor) -> None:
        """Take the head that the relay tells: when we are behind it, something got lost on the way."""
        if cursor.epoch != self.cursor.epoch or cursor.position > self.cursor.position:
            self._behind.set()
        elif cursor == self.cursor:
            self._current_s = time.monotonic()

    async def run(self) -> None:
        """Read from PostgreSQL whatever did not arrive otherwise, for ever."""
        while True:
            try:
                async with asyncio.timeout(POLL_WITH_REDIS_S if self._hears_redis() else self._poll_s):
                    await self._behind.wait()
            except TimeoutError:
                pass  # nothing was told: look all the same, what tells may be broken
            self._behind.clear()
            try:
                await self.catch_up()
            except FeedgraphError as error:
                log.warning("log_unreadable", error=error.message)
                self._behind.set()  # what was told is still to be read
                await asyncio.sleep(RETRY_S)

    async def catch_up(self) -> None:
        """Read up to the log's head."""
        async with self._reading:  # two readers could each take the other's news for another life of the log
            while await self._is_behind():
                try:
                    events = await journal.read_after(self._db, self.cursor.position)
                except journal.Lost as lost:
                    self._start_anew(EventCursor(self.cursor.epoch, lost.oldest))
                else:
                    self.receive(self.cursor.epoch, events)
            self._current_s = time.monotonic()

    async def _is_behind(self) -> bool:
        """Say whether the log has events that are not known here. One statement."""
        known = self.cursor  # before the head is asked for: a batch may arrive meanwhile, and the answer be older than it
        newest = await journal.head(self._db)
        if newest.epoch != known.epoch or newest.position < known.position:
            self._start_anew(newest)  # another database answers now, or one restored from a backup
        return self.cursor.position < newest.position

    def after(self, cursor: EventCursor) -> list[Event] | None:
        """Return the known events behind the cursor, oldest first; None where memory does not reach back so far."""
        missing = self.cursor.position - cursor.position
        if cursor.epoch != self.cursor.epoch or missing > len(self._events):
            return None
        if missing <= 0:
            return []
        return [self._events[index] for index in range(-missing, 0)]

    async def growth(self, cursor: EventCursor) -> None:
        """Wait until the log's end is not at the cursor: there is an event behind it, or the log's life is another one."""
        while cursor == self.cursor:
            await self._grown.wait()

    def _start_anew(self, cursor: EventCursor) -> None:
        self._events.clear()
        self.cursor = cursor
        self._wake()

    def _advance(self, position: int) -> None:
        self.cursor = EventCursor(self.cursor.epoch, position)
        self._wake()

    def _wake(self) -> None:
        # Each listener waits on the event that stood here when it began to wait, so none can miss a growth.
        self._grown.set()
        self._grown = asyncio.Event()
