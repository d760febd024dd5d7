"""Work: one attempt of a job, from its start to the state that it leaves behind."""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from app import stores
from app.domain.errors import Conflict, DeadlineExceeded, FeedgraphError, Overloaded
from app.domain.events import QUEUED_JOBS, EventType
from app.domain.models import Job
from app.infra import event_log
from app.infra.job_queue import Worker
from app.services import accounts, exports, imports, jobs
from app.services.context import Resources
from app.services.jobs import Attempt, Superseded

log = structlog.get_logger(__name__)

Handler = Callable[[Attempt], Awaitable[dict[str, Any]]]

PASSING = (Conflict, DeadlineExceeded, Overloaded)  # worth another attempt; other deliberate errors are the input's fault
CRASHED = "WORKER_CRASHED"  # the error code of a job whose workers died each time
INTERNAL = "INTERNAL_SERVER_ERROR"
LONGEST_ERROR = 4_000
SECONDS_TO_PUT_BACK = 2.0

# A kind's handler, and how many of the kind run at once in all workers together.
HANDLERS: dict[str, tuple[Handler, int]] = {
    jobs.EXPORT: (exports.make, 4),
    jobs.ACCOUNT_DELETION: (accounts.delete, 2),
    jobs.IMPORT: (imports.run, 2),
}


def worker_of(resources: Resources) -> Worker:
    """Return a worker for every kind of job; the caller runs and stops it."""
    settings = resources.settings
    return Worker(
        resources.db,
        lambda job_id: work(resources, job_id),
        {kind: at_once for kind, (_, at_once) in HANDLERS.items()},
        at_once=settings.jobs_at_once,
        poll_s=settings.job_poll_s,
        heartbeat_s=settings.job_heartbeat_s,
    )


async def work(resources: Resources, job_id: int) -> float | None:
    """Make one attempt at a job; return None, or the seconds after which to make the next one.

    A job that has ended, or is not known, is none to work on: the queue may deliver it more than once.
    """
    job = await stores.jobs.start(resources.db, job_id, attempts=resources.settings.job_attempts)
    if job is None:
        await give_up_crashed(resources, job_id)
        return None
    await told(resources, job_id)
    handler, _ = HANDLERS[job.kind]
    try:
        result = await handler(Attempt(resources, job))
    except Superseded:
        return None
    except asyncio.CancelledError:  # by its owner, then this changes nothing; or the worker stops and hands it back
        await asyncio.shield(put_back(resources, job))
        raise
    except FeedgraphError as error:
        return await (failed_passing(resources, job, error) if isinstance(error, PASSING) else failed(resources, job, error.code))
    except Exception as error:  # whatever else is a fault of ours
        return await failed_passing(resources, job, error)
    async with resources.db.transaction() as db:
        if await stores.jobs.succeed(db, job, result):
            await event_log.append(db, jobs.event_about(job_id))
    resources.relay.wake()
    return None


async def told(resources: Resources, job_id: int) -> None:
    """Tell listeners that a job's state changed."""
    await event_log.append(resources.db, jobs.event_about(job_id))
    resources.relay.wake()


async def give_up_crashed(resources: Resources, job_id: int) -> None:
    """End a job that had all its attempts and still comes: each of them ended with its worker."""
    attempts = await stores.jobs.attempts_of(resources.db, job_id)
    if attempts >= resources.settings.job_attempts:
        await buried(resources, job_id, attempts, CRASHED, "Its worker died each time.")


async def failed(resources: Resources, job: Job, code: str) -> None:
    """End a job whose input cannot be worked on; that is its owner's business, and no dead letter."""
    async with resources.db.transaction() as db:
        if await stores.jobs.fail(db, job.id, attempts=job.attempts, error_code=code):
            await event_log.append(db, jobs.event_about(job.id))
    resources.relay.wake()


async def failed_passing(resources: Resources, job: Job, error: Exception) -> float | None:
    """Put a job back for later, or end it where it had all its attempts; return the seconds to wait, None at the end."""
    settings = resources.settings
    log.warning("job_attempt_failed", job=job.id, kind=job.kind, attempt=job.attempts, exc_info=error)
    if job.attempts >= settings.job_attempts:
        code = error.code if isinstance(error, FeedgraphError) else INTERNAL
        await buried(resources, job.id, job.attempts, code, "".join(traceback.format_exception(error)))
        return None
    async with resources.db.transaction() as db:
        if not await stores.jobs.again(db, job, is_counted=True):
            return None
        await event_log.append(db, jobs.event_about(job.id))
    resources.relay.wake()
    return backoff_s(job.attempts, first_s=settings.job_backoff_s, longest_s=settings.job_backoff_max_s)


def backoff_s(attempts: int, *, first_s: float, longest_s: float) -> float:
    """Return how long to wait after so many attempts: exponential with full jitter, so that what failed together comes apart."""
    return random.uniform(0, min(longest_s, first_s * 2 ** min(attempts - 1, 30)))  # noqa: S311  # spreading, not hiding


async def buried(resources: Resources, job_id: int, attempts: int, code: str, error: str) -> None:
    """End a job for a reason of ours, and keep it as a dead letter."""
    async with resources.db.transaction() as db:
        if await stores.jobs.fail(db, job_id, attempts=attempts, error_code=code):
            await stores.jobs.bury(db, job_id, error.replace("\0", "")[-LONGEST_ERROR:])
            await event_log.append(db, jobs.event_about(job_id))
    resources.relay.wake()
    log.error("job_failed_for_good", job=job_id, code=code)


async def put_back(resources: Resources, job: Job) -> None:
    """Hand a job back that did not end while its worker stops; the attempt does not count."""
    async with asyncio.timeout(SECONDS_TO_PUT_BACK), resources.db.transaction() as db:
        if await stores.jobs.again(db, job, is_counted=False):
            await event_log.append(db, jobs.event_about(job.id))
    resources.relay.wake()


async def listen(resources: Resources, worker: Worker) -> None:
    """Wake the worker for new jobs and stop the ones that were cancelled, as the log tells of them, for ever."""
    tail = resources.tail
    cursor = tail.cursor
    while True:
        await tail.growth(cursor)
        behind, cursor = tail.after(cursor), tail.cursor
        if behind is None:  # more happened than is remembered, or in another life of the log: look at everything
            worker.wake()
        for event in behind or ():
            if event.type != EventType.JOB_UPDATED:
                continue
            if QUEUED_JOBS in event.topics:
                worker.wake()
            elif worker.has(event.subject_id) and await stores.jobs.has_ended(resources.db, event.subject_id):
                worker.cancel(event.subject_id)
