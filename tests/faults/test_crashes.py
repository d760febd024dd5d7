"""A server that is killed in the midst of it, and a Redis that comes and goes."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.conftest import free_port
from tests.faults.programs import backend, processes_of, program, temporary_home
from tests.faults.traffic import Traffic, all_posts, head

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

WRITERS, POSTS = 5, 40


async def test_kill_9_loses_no_acknowledged_post_and_no_event() -> None:
    with temporary_home() as home:
        port = free_port()
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(program(port, FEEDGRAPH_DATA_DIR=str(home)))
            traffic = Traffic(await server.somebody())
            listening = asyncio.create_task(traffic.listen(server, await head(server)))
            writing = [asyncio.create_task(traffic.write_many(server, f"w{number}", POSTS)) for number in range(WRITERS)]
            for share in (0.2, 0.6):
                async with asyncio.timeout(20):
                    while len(traffic.acknowledged) < share * WRITERS * POSTS:  # noqa: ASYNC110  # filled elsewhere
                        await asyncio.sleep(0.001)
                server.kill()
                server = await stack.enter_async_context(program(port, FEEDGRAPH_DATA_DIR=str(home)))
            await asyncio.wait_for(asyncio.gather(*writing), 30)
            await traffic.complete()
            listening.cancel()
            assert traffic.failures
            assert len(traffic.acknowledged) == WRITERS * POSTS
            assert sorted(await all_posts(server)) == sorted(traffic.acknowledged.values())
        assert processes_of(home) == []


async def test_redis_that_is_killed_and_hangs_costs_no_write_and_no_event() -> None:
    with backend("valkey-server") as redis, backend("postgres") as postgres:
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(program(DATABASE_URL=postgres.address, REDIS_URL=redis.address)) for _ in range(2)
            ]
            start = await head(servers[0])
            first, second = both = Traffic(await servers[0].somebody()), Traffic(await servers[1].somebody())
            second.acknowledged = first.acknowledged  # each hears what is written at both
            pairs = list(zip(both, servers, strict=True))
            listening = [asyncio.create_task(traffic.listen(server, start)) for traffic, server in pairs]

            async def write_at_both(when: str) -> None:
                await asyncio.gather(*(traffic.write_many(server, f"{when} {server.url}", 15) for traffic, server in pairs))

            await write_at_both("before")
            redis.kill()
            await write_at_both("while it is away")
            redis.start()
            await write_at_both("after it came back")
            with redis.frozen():
                await write_at_both("while it hangs")
                assert [await server.status("/readyz") for server in servers] == [200, 200]  # without Redis it serves
            await write_at_both("at the end")
            for traffic in both:
                await traffic.complete()
                assert traffic.failures == []
            assert len(first.acknowledged) == 150
            for task in listening:
                task.cancel()
