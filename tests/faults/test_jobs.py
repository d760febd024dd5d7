"""Workers that are killed in the midst of it, jobs that kill their workers, and a Redis that is emptied meanwhile."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import asyncpg
import pytest
import redis.asyncio

from tests.archives import note, outbox, tar_gz
from tests.clients import Person
from tests.faults.programs import backend, program
from tests.faults.traffic import GONE

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

QUICK = {
    "FEEDGRAPH_JOB_HEARTBEAT_S": "1",
    "FEEDGRAPH_JOB_POLL_S": "0.2",
    "FEEDGRAPH_JOB_BACKOFF_S": "0.1",
    "FEEDGRAPH_JOB_ATTEMPTS": "20",
}
PEOPLE, POSTS = 4, 1_500


async def uploaded(person: Person) -> str:
    """Upload an archive again and again until it is acknowledged; return the job."""
    archive = tar_gz(outbox_json=outbox(*(note(n) for n in range(POSTS))))
    headers = person.headers | {"Content-Type": "application/gzip"}
    while True:
        with suppress(*GONE):
            async with person.server.http.post(f"{person.server.url}/api/v1/imports", data=archive, headers=headers) as response:
                body = await response.json()
                if response.status == 202:
                    return str(body["jobId"])
                assert response.status == 503, body
        await asyncio.sleep(0.05)


async def started(database: asyncpg.Connection, posts: int) -> None:
    """Wait until so many posts have been imported."""
    async with asyncio.timeout(60):
        while await database.fetchval("select count(*) from imported_posts") < posts:  # noqa: ASYNC110  # written elsewhere
            await asyncio.sleep(0.01)


async def test_workers_that_are_killed_under_load_leave_each_job_done_once() -> None:
    with backend("valkey-server") as valkey, backend("postgres") as postgres:
        addresses = {"DATABASE_URL": postgres.address, "REDIS_URL": valkey.address, **QUICK}
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(program(None, **addresses, FEEDGRAPH_WORKER="false"))
            database = await asyncpg.connect(postgres.address)
            stack.push_async_callback(database.close)
            cache = redis.asyncio.Redis.from_url(valkey.address)
            stack.push_async_callback(cache.aclose)
            people = [await server.somebody() for _ in range(PEOPLE)]
            worker = await stack.enter_async_context(program(None, **addresses))
            jobs = await asyncio.gather(*(uploaded(person) for person in people))
            for share in (0.1, 0.4):
                await started(database, int(share * PEOPLE * POSTS))
                worker.kill()
                await cache.flushall()
                worker = await stack.enter_async_context(program(None, **addresses))
            async with asyncio.timeout(60):
                while await database.fetchval("select count(*) from jobs where finished_at is null"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            rows = await database.fetch("select id, state, done, attempts, result from jobs")
            assert sorted(str(row["id"]) for row in rows) == sorted(jobs)
            assert {row["state"] for row in rows} == {"succeeded"}
            assert sum(row["attempts"] for row in rows) > PEOPLE  # some were begun again
            assert [json.loads(row["result"])["imported"] for row in rows] == [POSTS] * PEOPLE
            assert await database.fetchval("select count(*) from posts") == PEOPLE * POSTS
            assert await database.fetchval("select array_agg(distinct posts_count) from users") == [POSTS]
            for person in people:  # the events got through, too
                query = "{ jobs { nodes { state done total } } viewer { postsCount } }"
                answer = await server.graphql(query, headers=person.headers)
                assert answer.data["jobs"]["nodes"] == [{"state": "SUCCEEDED", "done": POSTS, "total": POSTS}]


async def test_a_job_that_kills_its_workers_becomes_a_dead_letter() -> None:
    with backend("valkey-server") as valkey, backend("postgres") as postgres:
        addresses = {"DATABASE_URL": postgres.address, "REDIS_URL": valkey.address, **QUICK, "FEEDGRAPH_JOB_ATTEMPTS": "1"}
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(program(None, **addresses))
            database, blocker = await asyncpg.connect(postgres.address), await asyncpg.connect(postgres.address)
            stack.push_async_callback(database.close)
            stack.push_async_callback(blocker.close)
            await blocker.execute("begin; lock table imported_posts in access exclusive mode")  # hold it in the midst of its work
            job = await uploaded(await server.somebody())
            async with asyncio.timeout(20):
                while await database.fetchval("select attempts from jobs") < 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            server.kill()
            await blocker.execute("rollback")
            await stack.enter_async_context(program(None, **addresses))
            async with asyncio.timeout(20):
                while await database.fetchval("select state from jobs") == "running":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            row = await database.fetchrow("select state, attempts, error_code from jobs")
            assert row
            assert tuple(row) == ("failed", 1, "WORKER_CRASHED")
            assert await database.fetchval("select job_id::text from dead_letters") == job
            assert await database.fetchval("select count(*) from posts") == 0
