"""The stairwell: the one file that knows every floor. It opens what a process needs, connects it, and closes it again."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aiohttp import web

from app import services, stores
from app.domain.demo import DEMO_TOKEN
from app.domain.errors import FeedgraphError
from app.domain.models import Viewer
from app.infra import migrations
from app.infra.database import Database
from app.infra.embedded import Addresses
from app.infra.event_log import Relay, Tail
from app.infra.opening import opened_database
from app.infra.recording import Recording
from app.infra.redis import Redis
from app.services.answers import Answers
from app.services.budgets import Budgets
from app.services.context import RequestContext, Resources
from app.services.housekeeping import keep_house
from app.services.known_sessions import KnownSessions
from app.services.lookups import Lookups
from app.settings import Settings
from app.stores.attempts import Attempts
from app.stores.buckets import Buckets
from app.stores.persisted import PersistedTexts
from app.transports.http.health import Checks
from app.transports.http.server import application, serving
from app.transports.http.slow_heads import SlowHeads

log = structlog.get_logger(__name__)

Say = Callable[[str], None]
RESTART_S = 1.0
CANCEL_AGAIN_S = 0.1
CHECK_TIMEOUT_S = 2.0


@asynccontextmanager
async def opened_resources(settings: Settings, addresses: Addresses, *, say: Say) -> AsyncIterator[tuple[Resources, Redis]]:
    """Give what requests share, with the event log running; the database is migrated first."""
    async with opened_database(settings, addresses.database_url) as db:
        await migrations.apply(db, say=say)
        redis = Redis(addresses.redis_url, prefix=settings.redis_prefix, timeout_s=settings.redis_timeout_s)
        resources = shared_resources(settings, db, redis)
        tail, relay = resources.tail, resources.relay
        await tail.start()
        tasks = [
            asyncio.create_task(kept_alive(work))
            for work in (relay.run, tail.run, lambda: redis.listen(relay.handlers()), lambda: keep_house(db, settings))
        ]
        try:
            show_readings(resources)
            yield resources, redis
        finally:
            await ended(tasks)
            await redis.close()


def shared_resources(settings: Settings, db: Database, redis: Redis) -> Resources:
    """Return what requests share, with nothing running yet."""
    tail = Tail(db, poll_s=settings.relay_sweep_s, hears_redis=lambda: redis.is_listening)
    relay = Relay(
        db,
        redis,
        tail,
        sweep_s=settings.relay_sweep_s,
        retention_s=settings.log_retention_s,
        retention_events=settings.log_retention_events,
    )
    texts, budgets = persisted_texts(settings, redis), Budgets(settings, Buckets(redis))
    sessions = KnownSessions(tail, kept_s=settings.session_cache_s)
    answers: Answers[Any] = Answers(tail, max_bytes=settings.max_response_cache_bytes)
    return Resources(settings, db, tail, relay, Attempts(redis), texts, budgets, Lookups(db), sessions, answers)


def recording_context(settings: Settings, *, is_anonymous: bool) -> tuple[RequestContext, Recording]:
    """Return a request that finds nothing, and the door that notes what it asks of the database. Nothing is connected."""
    db = Recording()
    nowhere = Redis("redis://127.0.0.1:1", prefix=settings.redis_prefix, timeout_s=settings.redis_timeout_s)
    viewer = None if is_anonymous else Viewer(user_id=1, session_id=1, expires_at=datetime.max.replace(tzinfo=UTC))
    return RequestContext(shared_resources(settings, db, nowhere), viewer), db


def show_readings(resources: Resources) -> None:
    """Add to the metrics what the parts of the server count or know by themselves."""
    db, budgets, answers, read = resources.db, resources.budgets, resources.answers, resources.metrics.read
    tail, relay = resources.tail, resources.relay
    read("gauge", "feedgraph_log_position", "The log's head as this process knows it", lambda: tail.cursor.position)
    read("gauge", "feedgraph_relay_leads", "1 in the process that moves events into the log", lambda: relay.leads)
    read("gauge", "feedgraph_relay_lag_seconds", "How long the oldest event of the last batch waited for it", lambda: relay.lag_s)
    read("counter", "feedgraph_sql_statements", "SQL statements sent by this process", lambda: db.statements)
    read(
        "gauge",
        "feedgraph_budgets_degraded",
        "1 while Redis is away and callers pay from this process's own buckets",
        lambda: budgets.is_alone,
    )
    cache = "feedgraph_response_cache"
    read("counter", f"{cache}_hits", "Answers given from the response cache", lambda: answers.hits)
    read("counter", f"{cache}_misses", "Answers looked for there and executed", lambda: answers.misses)
    read("counter", f"{cache}_purges", "Answers thrown away because what they show changed", lambda: answers.purges)
    read("counter", f"{cache}_evictions", "Answers thrown away for room", lambda: answers.evictions)
    read("gauge", f"{cache}_bytes", "What the answers take", lambda: answers.bytes)
    read("gauge", f"{cache}_entries", "How many answers are kept", lambda: len(answers))


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are done: the Redis client, while it connects, sometimes swallows a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)
        tasks = list(pending)


async def kept_alive(work: Callable[[], Awaitable[None]]) -> None:
    """Run a background task for ever; should it fail against all intention, say so and start it again."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("background_task_failed", exc_info=error)
        await asyncio.sleep(RESTART_S)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens."""

    resources: Resources
    redis: Redis
    demo_token: str | None  # where the database has the demo user and this server takes the token
    app: web.Application


@asynccontextmanager
async def running(settings: Settings, addresses: Addresses, *, say: Say, shares_port: bool = False) -> AsyncIterator[Running]:
    """Serve while the context is open; at its end, stop in good order. `shares_port`: other processes listen there, too.

    Raises:
        ConfigurationError: the database or the port is not to be had.
    """
    async with opened_resources(settings, addresses, say=say) as (resources, redis):
        demo_token = await usable_demo_token(resources.db, settings)
        slow_heads = SlowHeads(timeout_s=settings.head_timeout_s)
        checks = readiness(resources.db, redis)
        app = application(resources, checks, demo_token=demo_token)
        worker = working(resources) if settings.worker else nullcontext()
        async with (
            worker,
            grpc_served(resources, checks, shares_port=shares_port) as drain_grpc,
            serving(app, host=settings.host, port=settings.port, slow_heads=slow_heads, shares_port=shares_port),
        ):
            yield Running(resources, redis, demo_token, app)
            await drain_grpc()  # both ports take their leave at the same time


@asynccontextmanager
async def grpc_served(resources: Resources, checks: Checks, *, shares_port: bool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Serve gRPC, too, while the context is open, where it is wanted; give what begins its end.

    Raises:
        ConfigurationError: its port is not to be had.
    """
    if not resources.settings.grpc:
        yield nothing
        return
    from app.transports.grpc import server  # noqa: PLC0415  # importing grpc takes a tenth of a second, and most commands do not serve

    async with server.serving(resources, checks, shares_port=shares_port) as served:
        yield served.drain


async def nothing() -> None:
    """Do nothing."""


@asynccontextmanager
async def working(resources: Resources) -> AsyncIterator[None]:
    """Run jobs while the context is open; at its end, hand back those that do not end in time."""
    worker = services.working.worker_of(resources)
    tasks = [asyncio.create_task(kept_alive(work)) for work in (worker.run, lambda: services.working.listen(resources, worker))]
    try:
        yield
    finally:
        await worker.stop(grace_s=resources.settings.job_stop_s)
        await ended(tasks)


async def work(settings: Settings, addresses: Addresses, *, say: Say) -> None:
    """Run jobs until SIGTERM or SIGINT, and nothing else."""
    stop = stopped_by_signals()
    async with opened_resources(settings, addresses, say=say) as (resources, _), working(resources):
        say("Working. Stop it with Ctrl-C.")
        await stop.wait()
        say("Stopping …")


def stopped_by_signals() -> asyncio.Event:
    """Return what is set when SIGTERM or SIGINT comes."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def serve(
    settings: Settings,
    addresses: Addresses,
    *,
    say: Say,
    ready: Callable[[str | None], None],
    shares_port: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is called once the port is open, with the demo user's token if there is one."""
    stop = stopped_by_signals()
    async with running(settings, addresses, say=say, shares_port=shares_port) as server:
        spare_what_stays()
        ready(server.demo_token)
        await stop.wait()
        say("Stopping …")


COLLECT_AFTER = (10_000, 20, 20)  # objects of a hundred requests: most are gone by themselves by then


def spare_what_stays() -> None:
    """Take what was made until now out of the collector's sight: it lives as long as the server, and a full collection that looks
    at all of it (the schema is large) makes everybody wait for a tenth of a second. What requests make it looks at less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def usable_demo_token(db: Database, settings: Settings) -> str | None:
    """Return the demo user's token where the database has it and this server takes it."""
    if settings.is_production or await stores.sessions.by_token(db, DEMO_TOKEN) is None:
        return None
    return DEMO_TOKEN


def readiness(db: Database, redis: Redis) -> Callable[[], Awaitable[dict[str, str]]]:
    """Return the check of what the server stands on: each part's name with "ok" or what is wrong."""

    async def check() -> dict[str, str]:
        state = {"database": "away", "migrations": "unknown", "redis": "away"}
        with suppress(FeedgraphError, TimeoutError):
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await db.fetchval("select 1")
                state["database"] = "ok"
                state["migrations"] = await migrations.state(db)
        if await redis.is_up():
            state["redis"] = "ok"
        return state

    return check


def persisted_texts(settings: Settings, redis: Redis) -> PersistedTexts:
    """Return the store of the documents that clients register."""
    return PersistedTexts(
        redis, ttl_s=settings.persisted_ttl_s, max_kept=settings.max_persisted, max_in_memory=settings.max_documents
    )
