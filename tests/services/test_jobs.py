"""Jobs from request to end: retries, crashes, poison, cancelling, handing back, dead letters."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from app import services, stores, wiring
from app.domain.errors import Conflict, InvalidInput, NotFound, Throttled, Unauthenticated
from app.domain.models import JobState
from app.services import working
from app.services.jobs import ACCOUNT_DELETION, LiveJob
from app.services.working import backoff_s
from app.transports.errors import ROWS
from tests.conftest import make_settings, quiet
from tests.live.nodes import until

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

FAST = {"job_backoff_s": 0.01, "job_poll_s": 0.2, "job_heartbeat_s": 1, "job_attempts": 3, "job_stop_s": 0.05}


class Handler:
    """A handler of jobs that does as its script says, and notes each attempt."""

    def __init__(self):
        self.attempts = []
        self.script = []  # one element an attempt: an exception to raise, an event to wait for, or a result
        self.steps = 0

    async def __call__(self, attempt):
        self.attempts.append((attempt.job.id, attempt.job.attempts))
        step = self.script.pop(0) if self.script else {}
        for done in range(1, self.steps + 1):
            async with attempt.db.transaction() as db:
                await attempt.advance(db, done, self.steps)
            attempt.tell()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
            return {}
        return step


@pytest.fixture
def handler(monkeypatch):
    """The handler of the kinds "chore" and "account_deletion"."""
    handler = Handler()
    monkeypatch.setattr(working, "HANDLERS", {"chore": (handler, 2), ACCOUNT_DELETION: (handler, 1)})
    return handler


@pytest.fixture
async def server(start_server, handler):
    """A server whose worker makes attempts fast."""
    return await start_server(**FAST)


@pytest.fixture
async def ctx(server):
    """A signed-in request."""
    return await server.context(await server.person())


async def requested(ctx, kind="chore", **more):
    """Request a job as services do."""
    async with ctx.db.transaction() as db:
        job = await services.jobs.request(ctx, db, kind, **more)
    ctx.resources.relay.wake()
    return job


async def end_of(ctx, job):
    """Return the job at its end."""
    job = await services.jobs.ended(ctx, job.id, within_s=10)
    assert job.has_ended, job
    return job


async def queue_is_empty(ctx):
    """Wait until the queue has forgotten all its jobs."""
    async with asyncio.timeout(10):
        while await ctx.db.fetchval("select count(*) from pgqueuer"):  # noqa: ASYNC110  # nobody announces it
            await asyncio.sleep(0.02)


async def test_a_job_runs_once_and_is_told_at_each_change(ctx, handler):
    handler.script, handler.steps = [{"answer": 42}], 3
    heard = []

    async def listen(id_):
        async for update in services.jobs.followed(ctx, id_):
            assert isinstance(update, LiveJob)
            heard.append((update.job.state, update.job.done, update.cursor))

    job = await requested(ctx)
    assert (job.state, job.attempts, job.done, job.total) == (JobState.QUEUED, 0, 0, None)
    await asyncio.wait_for(listen(job.id), 10)  # it ends by itself
    ended = await services.jobs.existing(ctx, job.id)
    assert (ended.state, ended.attempts, ended.done, ended.total, ended.result) == (JobState.SUCCEEDED, 1, 3, 3, {"answer": 42})
    assert ended.started_at
    assert ended.finished_at
    assert heard[-1][0] == JobState.SUCCEEDED
    assert [cursor for *_, cursor in heard] == sorted({cursor for *_, cursor in heard})
    assert handler.attempts == [(job.id, 1)]
    await queue_is_empty(ctx)


async def test_a_transaction_that_is_rolled_back_leaves_no_job(ctx, handler):
    with suppress(ArithmeticError):
        async with ctx.db.transaction() as db:
            await services.jobs.request(ctx, db, "chore")
            raise ArithmeticError
    counts = await ctx.db.fetchrow("select (select count(*) from jobs), (select count(*) from pgqueuer)")
    assert tuple(counts) == (0, 0)
    assert handler.attempts == []


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_not(ctx, handler):
    handler.script = [Conflict(), RuntimeError("once more"), {"ok": True}, InvalidInput("bad")]
    assert (await end_of(ctx, await requested(ctx))).attempts == 3
    failed = await end_of(ctx, await requested(ctx))
    assert (failed.state, failed.attempts, failed.error_code) == (JobState.FAILED, 1, "BAD_USER_INPUT")
    assert await services.jobs.dead_letters(ctx.db, limit=10) == []


async def test_what_fails_each_time_is_a_dead_letter_that_can_be_revived_or_dropped(ctx, handler):
    handler.script = [RuntimeError("no"), Conflict(), RuntimeError("a \0 fault of ours")]
    job = await end_of(ctx, await requested(ctx, colour="blue"))
    assert (job.state, job.attempts, job.error_code) == (JobState.FAILED, 3, "INTERNAL_SERVER_ERROR")
    [(dead, error, _)] = await services.jobs.dead_letters(ctx.db, limit=10)
    assert dead.id == job.id
    assert "a  fault of ours" in error
    again = await services.jobs.revive(ctx.db, job.id)
    ctx.resources.relay.wake()
    assert again.input == {"colour": "blue"}
    assert (await end_of(ctx, again)).state == JobState.SUCCEEDED
    assert (await services.jobs.existing(ctx, job.id)) == job  # an end never changes
    for act in (services.jobs.revive, services.jobs.drop):
        with pytest.raises(NotFound):
            await act(ctx.db, job.id)


async def test_a_job_whose_workers_die_ends_as_a_dead_letter(ctx, handler):
    job = await requested(ctx)
    await end_of(ctx, job)
    await queue_is_empty(ctx)
    # As after three crashes: the product counted three starts, the queue still has the job, claimed by nobody who lives.
    dying = await stores.jobs.insert(ctx.db, owner_id=job.owner_id, kind="chore", input_={})
    await ctx.db.execute("update jobs set state = 'running', attempts = 3 where id = $1", dying.id)
    await ctx.db.execute(
        """
        insert into pgqueuer (priority, queue_manager_id, status, entrypoint, payload, heartbeat)
        values (0, gen_random_uuid(), 'picked', 'chore', $1, now() - interval '1 minute')
        """,
        str(dying.id).encode(),
    )
    ended = await end_of(ctx, dying)
    assert (ended.state, ended.error_code, ended.attempts) == (JobState.FAILED, "WORKER_CRASHED", 3)
    assert [letter.id for letter, *_ in await services.jobs.dead_letters(ctx.db, limit=10)] == [dying.id]
    assert handler.attempts == [(job.id, 1)]
    await queue_is_empty(ctx)


async def test_a_running_and_a_queued_job_are_cancelled_and_stay_so(ctx, handler):
    handler.script = [asyncio.Event() for _ in range(2)]
    jobs = [await requested(ctx) for _ in range(3)]  # two run at once, the third waits
    await until(lambda: len(handler.attempts) == 2)
    for job in jobs:
        assert (await services.jobs.cancel(ctx, job.id)).state == JobState.CANCELLED
    await queue_is_empty(ctx)
    assert len(handler.attempts) == 2
    assert [(await services.jobs.cancel(ctx, job.id)).state for job in jobs] == [JobState.CANCELLED] * 3  # again changes nothing
    with pytest.raises(Exception, match="has ended"):
        await ctx.db.execute("update jobs set state = 'running', finished_at = null where id = $1", jobs[0].id)


async def test_progress_of_an_attempt_that_was_overtaken_is_not_committed(ctx, handler):
    gate = asyncio.Event()
    handler.script = [gate]
    job = await requested(ctx)
    await until(lambda: len(handler.attempts) == 1)
    overtaken = services.jobs.Attempt(ctx.resources, await services.jobs.existing(ctx, job.id))
    await ctx.db.execute("update jobs set attempts = 2 where id = $1", job.id)
    with pytest.raises(services.jobs.Superseded):
        async with ctx.db.transaction() as db:
            await overtaken.advance(db, 5)
    gate.set()  # what the overtaken attempt returns changes nothing
    await queue_is_empty(ctx)
    assert (await services.jobs.existing(ctx, job.id)).state == JobState.RUNNING


async def test_a_worker_that_stops_hands_back_and_the_attempt_does_not_count(addresses, db, handler):
    handler.script = [asyncio.Event()]

    @asynccontextmanager
    async def resources():
        settings = make_settings(**FAST, worker=False)
        async with wiring.opened_resources(settings, addresses, say=quiet) as (opened, _):
            yield opened

    async with resources() as opened:
        user_id = await db.fetchval("insert into users (username, name) values ('ada', 'Ada') returning id")
        async with db.transaction() as transaction:
            job = await services.jobs.enqueue(transaction, user_id, "chore", {})
        opened.relay.wake()
        async with wiring.working(opened):
            await until(lambda: len(handler.attempts) == 1)
        [handed_back] = await stores.jobs.by_ids(db, [job.id], owner_id=user_id)
        assert handed_back
        assert (handed_back.state, handed_back.attempts) == (JobState.QUEUED, 0)
        async with wiring.working(opened), asyncio.timeout(10):
            while not await stores.jobs.has_ended(db, job.id):  # noqa: ASYNC110  # nobody announces it
                await asyncio.sleep(0.01)
        assert handler.attempts == [(job.id, 1), (job.id, 1)]


async def test_who_may_see_and_stop_a_job_and_how_many_one_may_have(server, ctx, handler):
    handler.script = [asyncio.Event() for _ in range(20)]
    other = await server.context(await server.person())
    job = await requested(ctx, ACCOUNT_DELETION, is_single=True)
    assert (await requested(ctx, ACCOUNT_DELETION, is_single=True)).id == job.id
    for act in (services.jobs.existing, services.jobs.cancel):
        with pytest.raises(NotFound):
            await act(other, job.id)
    with pytest.raises(NotFound):
        await anext(services.jobs.followed(other, job.id))
    assert await services.jobs.find(other, job.id) is None
    with pytest.raises(Unauthenticated):
        await services.jobs.find(await server.context(), job.id)
    with pytest.raises(Conflict):
        await services.jobs.cancel(ctx, job.id)
    for _ in range(9):
        await requested(ctx)
    with pytest.raises(Throttled):
        await requested(ctx)
    await requested(other)


def test_waits_grow_and_never_exceed_their_limit():
    for attempts in (1, 2, 3, 10, 10_000):
        waits = [backoff_s(attempts, first_s=1, longest_s=60) for _ in range(200)]
        longest = min(60, 2 ** (attempts - 1)) if attempts < 100 else 60
        assert 0 <= min(waits) < max(waits) <= longest
        assert max(waits) > longest / 2


def test_the_codes_of_jobs_are_those_of_the_table_and_one_of_their_own():
    assert working.INTERNAL in ROWS
    assert working.CRASHED not in ROWS  # it is only told of a job, never the answer to a request
