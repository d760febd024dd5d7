"""The job queue: PgQueuer behind our own door, so that nobody else knows it.

    writer's transaction ─ enqueue ─► queue ─ claimed by one worker (SKIP LOCKED, heartbeat) ─► work(job id)

Rules:
1. A job is enqueued in the transaction of its cause, with an id; what the id means stands in the product's own tables.
2. Delivery is at least once. A worker that dies loses its claim when its heartbeat is old, and another one takes the job.
3. The queue counts nothing and keeps nothing: attempts, ends and dead letters are the product's.
4. Nothing is sent by NOTIFY. Whoever hears of a new job calls `wake`; without that, workers look every `poll_s`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import orjson
import structlog
from pgqueuer.core.tm import TaskManager
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Context, Job
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from app.domain.errors import Conflict, FeedgraphError
from app.infra.database import Database

log = structlog.get_logger(__name__)

BATCH_SIZE = 4  # jobs claimed at once
CANCEL_AGAIN_S = 0.2
LAST_WORD_S = 1.0
CHANGED = {"channel": "ch_pgqueuer", "operation": "insert", "table": "pgqueuer", "type": "table_changed_event"}
LOG_KEPT = timedelta(days=1)

Work = Callable[[int], Awaitable[float | None]]  # a job's id in; out None, or seconds after which to come again


async def enqueue(db: Database, kind: str, job_id: int) -> None:
    """Hand a job to the workers; call it in the transaction of the job's cause. One statement."""
    await Queries(Door(db)).enqueue(kind, str(job_id).encode())


async def forget_old(db: Database) -> None:
    """Remove the queue's own history. One statement."""
    await db.execute("delete from pgqueuer_log where created < now() - $1::interval", LOG_KEPT)


class Door(Driver):
    """PgQueuer's driver on our door to the database; its messages stay within the process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()
        self._listeners: list[tuple[str, NotifyCallback]] = []

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return rows as dictionaries. One statement."""
        try:
            return [dict(row) for row in await self._db.fetch(query, *args)]
        except Conflict as error:  # PgQueuer knows what to do about the driver's own error
            raise error.__cause__ or error from None

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; what PostgreSQL says of it is not told. One statement."""
        await self._db.execute(query, *args)
        return ""

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Call back on each message of the channel."""
        self._listeners.append((channel, callback))

    async def notify(self, channel: str, payload: str) -> None:
        """Tell the listeners of this process."""
        self.tell(channel, payload)

    def tell(self, channel: str, payload: str | bytes) -> None:
        """Tell the listeners of this process; returns at once."""
        for name, callback in self._listeners:
            if name == channel:
                callback(payload)

    @property
    def shutdown(self) -> asyncio.Event:
        """Set when there is to be no more work."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """The driver's tasks: none."""
        return self._tasks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@dataclass(slots=True)
class Running:
    """A job in this process."""

    task: "asyncio.Future[float | None]"
    is_cancelled: bool = False


class Worker:
    """Takes jobs and does the work, so many of a kind at once in all workers together."""

    def __init__(
        self, db: Database, work: Work, limits: Mapping[str, int], *, at_once: int, poll_s: float, heartbeat_s: float
    ) -> None:
        self._db = db
        self._work = work
        self._limits = limits
        self._at_once = at_once
        self._poll = timedelta(seconds=min(poll_s, heartbeat_s))
        self._heartbeat = timedelta(seconds=heartbeat_s)
        self._door = Door(db)
        self._manager: QueueManager | None = None
        self._running: dict[int, Running] = {}
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work until `stop`, or until PostgreSQL is away: call it again then."""
        self._door = Door(self._db)
        manager = self._manager = QueueManager(Queries(self._door))
        for kind, limit in self._limits.items():
            manager.entrypoint(kind, concurrency_limit=limit, accepts_context=True)(self._execute)
        if self._stopping:
            return
        self._idle.clear()
        try:
            await manager.run(
                dequeue_timeout=self._poll,
                heartbeat_timeout=self._heartbeat,
                batch_size=min(BATCH_SIZE, max(self._at_once // 2, 1)),
                max_concurrent_tasks=max(self._at_once, 2),  # PgQueuer wants twice the batch at least
                log_aggregation_interval=timedelta(0),
            )
        except FeedgraphError as error:
            log.warning("job_queue_interrupted", error=error.message, cause=str(error.__cause__))
        finally:
            self._idle.set()

    def wake(self) -> None:
        """Look for jobs now; returns at once."""
        if self._manager is not None:
            self._door.tell(self._manager.channel, orjson.dumps(CHANGED | {"sent_at": datetime.now(UTC)}))

    def has(self, job_id: int) -> bool:
        """Say whether the job runs here."""
        return job_id in self._running

    def cancel(self, job_id: int) -> None:
        """Stop a job that runs here for good; returns at once."""
        if running := self._running.get(job_id):
            running.is_cancelled = True
            running.task.cancel()

    async def stop(self, *, grace_s: float) -> None:
        """Take no more jobs, let running ones end, and hand back those that do not within the time."""
        self._stopping = True
        if self._manager is not None:
            self._manager.shutdown.set()
        deadline = asyncio.get_running_loop().time() + grace_s
        while tasks := [running.task for running in self._running.values()]:
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=max(left_s, CANCEL_AGAIN_S))
            await asyncio.sleep(0)  # who waited for it takes it off the list
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):  # to tell the queue what became of each
                await self._idle.wait()

    async def _execute(self, job: Job, _context: Context) -> None:
        job_id = int(job.payload or b"0")
        running = self._running[job_id] = Running(asyncio.ensure_future(self._work(job_id)))
        try:
            again_s = await running.task
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is not None and this.cancelling():  # the queue itself is being cancelled, and the work with it
                raise
            again_s = None if running.is_cancelled else 0.0
        finally:
            self._running.pop(job_id, None)
        if again_s is not None:
            raise RetryRequested(timedelta(seconds=again_s))
