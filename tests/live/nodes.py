"""The event log's parts as one server process has them, several of them on one database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.domain.events import EventCursor, EventType, NewEvent
from app.domain.models import Viewer
from app.infra import database, event_log
from app.infra.database import Database
from app.infra.embedded import Addresses
from app.infra.event_log import Relay, Tail
from app.infra.redis import Redis
from app.services.answers import Answers
from app.services.budgets import Budgets
from app.services.context import RequestContext, Resources
from app.services.known_sessions import KnownSessions
from app.services.lookups import Lookups
from app.stores.attempts import Attempts
from app.stores.buckets import Buckets
from app.stores.persisted import PersistedTexts
from tests.conftest import make_settings

TOPIC = "posts"
Handler = Callable[[bytes], None]


@dataclass
class Node:
    """What one process has of the event log."""

    db: Database
    redis: Redis
    tail: Tail
    relay: Relay
    relaying: asyncio.Task[None] | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start_relay(self) -> None:
        """Let the relay run."""
        self.relaying = asyncio.create_task(self.relay.run())

    async def stop_relay(self) -> None:
        """Cancel the relay, wherever it is."""
        if self.relaying is not None:
            self.relaying.cancel()
            await asyncio.gather(self.relaying, return_exceptions=True)

    def context(self, viewer: Viewer | None = None) -> RequestContext:
        """Return a request to this process."""
        texts = PersistedTexts(self.redis, ttl_s=60, max_kept=10, max_in_memory=10)
        resources = Resources(
            make_settings(),
            self.db,
            self.tail,
            self.relay,
            Attempts(self.redis),
            texts,
            Budgets(make_settings(), Buckets(self.redis)),
            Lookups(self.db),
            KnownSessions(self.tail, kept_s=0),
            Answers(self.tail, max_bytes=0),
        )
        return RequestContext(resources, viewer)


@asynccontextmanager
async def node(
    addresses: Addresses,
    prefix: str,
    *,
    hears: Callable[[Handler], Handler] = lambda handler: handler,
    relays: bool = True,
) -> AsyncIterator[Node]:
    """Run a process's part; `hears` stands before each handler of Redis messages and may drop them."""
    db, pool = await database.connect(addresses.database_url, pool_size=8, acquire_timeout_s=5, statement_timeout_s=10)
    redis = Redis(addresses.redis_url, prefix=prefix, timeout_s=0.2)
    tail = Tail(db, poll_s=0.05, hears_redis=lambda: redis.is_listening)
    relay = Relay(db, redis, tail, sweep_s=0.05, retention_s=3600, retention_events=1_000_000)
    await tail.start()
    handlers = {channel: hears(handler) for channel, handler in relay.handlers().items()}
    this = Node(db, redis, tail, relay)
    this.tasks = [asyncio.create_task(tail.run()), asyncio.create_task(redis.listen(handlers))]
    if relays:
        this.start_relay()
    try:
        yield this
    finally:
        await this.stop_relay()
        for task in this.tasks:
            task.cancel()
        await asyncio.gather(*this.tasks, return_exceptions=True)
        await redis.close()
        await database.close(pool, timeout_s=5)


async def until(condition: Callable[[], bool], *, timeout_s: float = 15) -> None:
    """Wait until something holds that nobody announces."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # looked at from outside: there is nothing to be woken by
            await asyncio.sleep(0.005)


async def append(db: Database, *subject_ids: int) -> None:
    """Commit events, as writers do."""
    for subject_id in subject_ids:
        await event_log.append(db, NewEvent(EventType.POST_CREATED, (TOPIC,), subject_id))


async def epoch_of(db: Database) -> int:
    """Return the log's life."""
    return (await event_log.head(db)).epoch


async def start_of(db: Database) -> EventCursor:
    """Return the cursor before the first event."""
    return EventCursor(await epoch_of(db), 0)
