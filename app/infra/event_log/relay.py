"""The relay: one process at a time moves events from the outbox into the log and tells everybody."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import orjson
import structlog

from app.domain.errors import Conflict, FeedgraphError
from app.domain.events import Event, EventCursor
from app.infra.database import Database
from app.infra.event_log import journal, pieces
from app.infra.event_log.tail import Tail
from app.infra.redis import Redis

log = structlog.get_logger(__name__)

WAKE_CHANNEL = "outbox"  # a writer elsewhere says: there is something in the outbox
BATCH_CHANNEL = "log"  # the leader says: these events have these positions
HEAD_CHANNEL = "head"  # the leader says every second: this is the newest position
ELECTION_S = 1.0
ANNOUNCE_S = 1.0
PIECES_S = 60.0
PIECES_SHORT_S = 1.0  # where there is less room than this ahead
ROOM_AHEAD = pieces.PIECE // 2


class Relay:
    """Runs in every process; leads in one of them. The others only pass on that there is something to move."""

    def __init__(
        self, db: Database, redis: Redis, tail: Tail, *, sweep_s: float, retention_s: int, retention_events: int
    ) -> None:
        self._db = db
        self._redis = redis
        self._tail = tail
        self._sweep_s = sweep_s
        self._retention = timedelta(seconds=retention_s)
        self._retention_events = retention_events
        self._written = asyncio.Event()
        self._room = 0  # the last position that has a piece of the log to go to
        self.leads = False
        self.lag_s = 0.0  # how long the oldest event of the last batch waited in the outbox

    def wake(self) -> None:
        """Say that a transaction with an event has committed; returns at once."""
        self._written.set()

    def handlers(self) -> dict[str, Callable[[bytes], None]]:
        """Return what to do with the messages of each channel."""
        return {WAKE_CHANNEL: lambda _: self._hear_wake(), BATCH_CHANNEL: self._hear_batch, HEAD_CHANNEL: self._hear_head}

    async def run(self) -> None:
        """Lead whenever nobody else does, for ever."""
        while True:
            try:
                async with self._db.dedicated() as connection:
                    await journal.stand_for_leader(connection)
                    while not await journal.try_to_lead(connection):
                        await self._pass_on_wakes()
                    await self._lead(connection)
            except FeedgraphError as error:
                log.warning("relay_interrupted", error=error.message, cause=str(error.__cause__))
                await asyncio.sleep(self._sweep_s)
            finally:
                self.leads = False

    async def _lead(self, connection: Database) -> None:
        self.leads = True
        log.info("relay_leads")
        clock = asyncio.get_running_loop().time
        announce_at = pieces_at = clock()
        epoch = (await journal.head(connection)).epoch
        while True:
            events = await journal.move_batch(connection)
            if events:
                self.lag_s = (datetime.now(UTC) - min(event.at for event in events)).total_seconds()
                self._tail.receive(epoch, events)
                await self._redis.publish(BATCH_CHANNEL, encode_batch(epoch, events))
            if clock() >= announce_at:
                await self._announce(connection)
                announce_at = clock() + ANNOUNCE_S
            is_short = bool(events) and events[-1].position + ROOM_AHEAD > self._room
            if clock() >= pieces_at - (PIECES_S - PIECES_SHORT_S if is_short else 0):
                await self._keep_pieces(connection)
                pieces_at = clock() + PIECES_S
            if not events:
                await self._wait_for_write(self._sweep_s)

    async def _announce(self, connection: Database) -> None:
        newest = await journal.head(connection)
        self._tail.announce(newest)  # a batch whose answer broke off with the connection is found without Redis, too
        await self._redis.publish(HEAD_CHANNEL, str(newest).encode())

    async def _keep_pieces(self, connection: Database) -> None:
        """Make room ahead and let go what is too old; what cannot be done now is done the next time."""
        oldest = datetime.now(UTC) - self._retention
        try:
            self._room = await pieces.make_room(connection)
            await pieces.discard_before(connection, oldest, keep=self._retention_events)
        except Conflict as error:
            log.warning("log_pieces_in_use", error=error.message)

    async def _pass_on_wakes(self) -> None:
        """Until the next election, tell the leader of what is written in this process."""
        election_at = asyncio.get_running_loop().time() + ELECTION_S
        while (left_s := election_at - asyncio.get_running_loop().time()) > 0:
            if await self._wait_for_write(left_s):
                await self._redis.publish(WAKE_CHANNEL, b"")

    async def _wait_for_write(self, timeout_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._written.wait()
        written = self._written.is_set()
        self._written.clear()
        return written

    def _hear_wake(self) -> None:
        if self.leads:
            self._written.set()

    def _hear_batch(self, message: bytes) -> None:
        with suppress(ValueError, TypeError, KeyError):  # another version's message: the head will show what is missing
            self._tail.receive(*decode_batch(message))

    def _hear_head(self, message: bytes) -> None:
        with suppress(FeedgraphError, UnicodeDecodeError):
            self._tail.announce(EventCursor.parse(message.decode()))


def encode_batch(epoch: int, events: list[Event]) -> bytes:
    """Return the message that carries a batch."""
    return orjson.dumps([epoch, [[e.position, e.type, e.at, e.topics, e.subject_id, e.post] for e in events]])


def decode_batch(message: bytes) -> tuple[int, list[Event]]:
    """Return epoch and events of a message."""
    epoch, rows = orjson.loads(message)
    return epoch, [
        Event(position, type_, datetime.fromisoformat(at), tuple(topics), subject_id, journal.post_of(post) if post else None)
        for position, type_, at, topics, subject_id, post in rows
    ]
