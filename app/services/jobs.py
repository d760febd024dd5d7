"""Jobs: slow work that is accepted at once, watched while it runs, and ends exactly once."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app import stores
from app.domain.errors import Conflict, NotFound, Throttled
from app.domain.events import QUEUED_JOBS, EventCursor, EventType, Gap, NewEvent, job_topic
from app.domain.models import Job, JobState
from app.domain.paging import Order, Page, Slice
from app.infra import event_log, job_queue
from app.infra.database import Database
from app.services import updates
from app.services.context import RequestContext, Resources

NO_SUCH_JOB = "There is no such job, or it is somebody else's."
RETRY_AFTER_S = 30  # for who has too many jobs running
TOLD_EVERY_S = 0.5  # progress is written with each step, and told to listeners at most so often

EXPORT = "export"
ACCOUNT_DELETION = "account_deletion"
IMPORT = "import"
UNSTOPPABLE = {ACCOUNT_DELETION}  # from the moment it is accepted nobody can sign in: there is no way back


class Superseded(Exception):
    """This attempt does not count any more: the job was cancelled, or another worker has it."""


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A job, as it is now, and the position of the event that tells of it."""

    cursor: EventCursor
    job: Job


@dataclass(slots=True)
class Attempt:
    """One run of a job, as its handler sees it. Whatever the handler does may have been done by an earlier attempt."""

    resources: Resources
    job: Job
    told_at_s: float = field(default=0.0)

    @property
    def db(self) -> Database:
        """The door to the database."""
        return self.resources.db

    async def advance(self, db: Database, done: int, total: int | None = None) -> None:
        """Note progress in the transaction of the step that it tells of, so that the step counts once or not at all.

        Raises:
            Superseded: this attempt does not count any more; the step must not be committed.
        """
        if not await stores.jobs.advance(db, self.job, done=done, total=total):
            raise Superseded
        now_s = asyncio.get_running_loop().time()
        if now_s - self.told_at_s >= TOLD_EVERY_S:
            self.told_at_s = now_s
            await event_log.append(db, event_about(self.job.id))

    def tell(self) -> None:
        """Say that a step has been committed."""
        self.resources.relay.wake()


def event_about(job_id: int, *, is_queued: bool = False) -> NewEvent:
    """Return the event that tells of a job's new state or progress."""
    topics = (job_topic(job_id), QUEUED_JOBS) if is_queued else (job_topic(job_id),)
    return NewEvent(EventType.JOB_UPDATED, topics, job_id)


def order(ctx: RequestContext) -> Order:
    """Return the order of the viewer's jobs.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    return Order("jobs", 1, str(ctx.signed_in().user_id))


async def find(ctx: RequestContext, id_: int) -> Job | None:
    """Return the viewer's job, None where there is none that is theirs. One statement.

    Jobs are somebody's: who is nobody is told so, on every face, whether there is such a job or not.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    [job] = await stores.jobs.by_ids(ctx.db, [id_], owner_id=ctx.signed_in().user_id)
    return job


async def require_own(ctx: RequestContext, topics: Collection[str]) -> None:
    """Refuse topics of jobs that are not the viewer's. One statement, none where no topic is a job.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such job.
    """
    prefix = job_topic(0).removesuffix("0")
    ids = [int(topic.removeprefix(prefix)) for topic in topics if topic.startswith(prefix)]
    if ids and None in await stores.jobs.by_ids(ctx.db, ids, owner_id=ctx.signed_in().user_id):
        raise NotFound("There is no such job.")


async def existing(ctx: RequestContext, id_: int) -> Job:
    """Return the viewer's job. One statement.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such job.
    """
    job = await find(ctx, id_)
    if job is None:
        raise NotFound(NO_SUCH_JOB)
    return job


async def mine(ctx: RequestContext, page: Page) -> Slice[Job]:
    """Return a page of the viewer's jobs, newest first. One statement.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    return await stores.jobs.by_owner(ctx.db, ctx.signed_in().user_id, page)


async def request(ctx: RequestContext, db: Database, kind: str, *, is_single: bool = False, **input_: Any) -> Job:
    """Accept a job of the viewer's, in the transaction of its cause; with `is_single`, return the unfinished one of the kind.

    Raises:
        Unauthenticated: the request is anonymous.
        Throttled: the viewer has too many jobs that have not ended.
    """
    owner_id = ctx.signed_in().user_id
    if not await stores.users.lock(db, owner_id):  # one request of a person at a time counts their jobs
        raise NotFound("There is no such user.")
    unfinished = await stores.jobs.unfinished(db, owner_id)
    if is_single and (same := next((job for job in unfinished if job.kind == kind), None)):
        return same
    if len(unfinished) >= ctx.settings.max_jobs_per_user:
        message = f"You have {len(unfinished)} jobs that have not ended: wait for one of them, or cancel it."
        raise Throttled(message, retry_after_s=RETRY_AFTER_S)
    return await enqueue(db, owner_id, kind, input_)


async def enqueue(db: Database, owner_id: int, kind: str, input_: dict[str, Any]) -> Job:
    """Make a job and hand it to the workers, in the transaction of its cause. Three statements."""
    job = await stores.jobs.insert(db, owner_id=owner_id, kind=kind, input_=input_)
    await job_queue.enqueue(db, kind, job.id)
    await event_log.append(db, event_about(job.id, is_queued=True))
    return job


def report(job: Job) -> dict[str, Any]:
    """Return what a job tells at its end.

    Raises:
        Conflict: it has not ended.
        NotFound: it did not succeed.
    """
    if not job.has_ended:
        raise Conflict("The job is still running: ask for it until it has succeeded.")
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise NotFound("This job did not succeed: it has no result.")
    return job.result


async def cancel(ctx: RequestContext, id_: int) -> Job:
    """Stop a job of the viewer's; what it did until then stays. One that has ended stays as it is.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such job.
        Conflict: it is of a kind that cannot be stopped.
    """
    job = await existing(ctx, id_)
    if job.kind in UNSTOPPABLE and not job.has_ended:
        raise Conflict("The deletion of an account cannot be stopped.")
    async with ctx.db.transaction() as db:
        cancelled = await stores.jobs.cancel(db, id_, owner_id=job.owner_id)
        if cancelled:
            await event_log.append(db, event_about(id_))
    ctx.resources.relay.wake()
    return cancelled or await existing(ctx, id_)


async def followed(ctx: RequestContext, id_: int, *, after: EventCursor | None = None) -> AsyncIterator[LiveJob | Gap]:
    """Give a job of the viewer's at each change until it has ended: as it is now, or behind the cursor.

    Raises:
        Unauthenticated: the request is anonymous, or its session ended.
        NotFound: there is no such job.
        CursorInvalid: the cursor lies in the future.
    """
    job = await existing(ctx, id_)
    if after is None or job.has_ended:  # who listens to what has ended hears its end, whatever they knew
        yield LiveJob(ctx.event_cursor, job)
        if job.has_ended:
            return
    async for event in updates.follow(ctx, [job_topic(id_)], after=after):
        if isinstance(event, Gap):
            yield event
        elif (now := await find(ctx, id_)) is not None:
            yield LiveJob(EventCursor(ctx.resources.tail.cursor.epoch, event.position), now)
            if now.has_ended:
                return


async def ended(ctx: RequestContext, id_: int, *, within_s: float) -> Job:
    """Wait until a job of the viewer's has ended, at most so long; return it as it is then.

    Raises:
        Unauthenticated, NotFound: as for `followed`.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            async for update in followed(ctx, id_):
                if isinstance(update, LiveJob) and update.job.has_ended:
                    return update.job
    return await existing(ctx, id_)


async def dead_letters(db: Database, *, limit: int) -> list[tuple[Job, str, Any]]:
    """Return the jobs that failed for a reason of ours, newest first, each with the error and its time. One statement."""
    return await stores.jobs.dead(db, limit=limit)


async def revive(db: Database, id_: int) -> Job:
    """Run a dead letter again: the failed job stays as it ended, and a new one takes its owner, kind and input.

    Raises:
        NotFound: there is no such dead letter.
    """
    async with db.transaction() as transaction:
        job = await _unburied(transaction, id_)
        return await enqueue(transaction, job.owner_id, job.kind, job.input)


async def drop(db: Database, id_: int) -> None:
    """Give a dead letter up; the failed job itself stays until its time is over.

    Raises:
        NotFound: there is no such dead letter.
    """
    await _unburied(db, id_)


async def _unburied(db: Database, id_: int) -> Job:
    job = await stores.jobs.unbury(db, id_)
    if job is None or job.state is not JobState.FAILED:
        raise NotFound(f"There is no dead letter {id_}.")
    return job
