"""`feedgraph serve --processes N`: one port, one order of events, and nobody left behind."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from app.infra.embedded import Addresses
from tests.conftest import free_port
from tests.faults.programs import Program, gone, launched, program, temporary_home
from tests.faults.traffic import Traffic, head
from tests.live.ways import Heard, Listening, sse

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

BROKEN = (aiohttp.ClientError, ConnectionError, TimeoutError, AssertionError)


def workers_of(server: Program) -> list[int]:
    """Return the ids of the server's processes that serve."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"--ready-fd" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_there(pid: int) -> bool:
    """Say whether a process is there."""
    return Path(f"/proc/{pid}").exists()


async def listen(server: Program, start: str, events: list[Heard]) -> None:
    """Listen on a connection of one's own, and again whenever it breaks, for ever."""
    while True:
        with suppress(*BROKEN):
            async with aiohttp.ClientSession() as http:  # a new connection: the kernel chooses the process
                async for event in sse(Listening(http, server.url), events[-1].cursor if events else start):
                    events.append(event)
        await asyncio.sleep(0.02)


async def writes(server: Program, traffic: Traffic, when: str) -> None:
    """Write on connections of their own, side by side."""
    await asyncio.gather(*(traffic.write_many(server, f"{when}-{number}", 10) for number in range(3)))


async def test_processes_share_a_port_and_an_order_and_a_dead_one_is_replaced(addresses: Addresses, db) -> None:
    given = {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url, "FEEDGRAPH_REDIS_PREFIX": "test:many:"}
    async with program(free_port(), "--processes", "2", **given) as server:
        first = workers_of(server)
        assert len(first) == 2
        traffic = Traffic(await server.somebody())
        start = await head(server)
        heard: list[list[Heard]] = [[] for _ in range(8)]
        listening = [asyncio.create_task(listen(server, start, events)) for events in heard]
        await writes(server, traffic, "before")
        os.kill(first[0], signal.SIGKILL)
        await writes(server, traffic, "while one is away")
        async with asyncio.timeout(20):
            while len(workers_of(server)) < 2:  # noqa: ASYNC110  # only the kernel knows
                await asyncio.sleep(0.02)
            await writes(server, traffic, "after")
            while any(len(events) < len(traffic.acknowledged) for events in heard):  # noqa: ASYNC110  # filled elsewhere
                await asyncio.sleep(0.02)
        assert [event.id for event in heard[0]] == [event.id for event in heard[7]]
        assert all(events == heard[0] for events in heard)
        assert sorted(event.id for event in heard[0]) == sorted(traffic.acknowledged.values())
        for task in listening:
            task.cancel()
        left = workers_of(server)
        assert first[1] in left

        status, said = await server.terminated()
        assert (status, "Traceback" in said) == (0, False), said
        assert not any(map(is_there, left))


async def test_processes_end_with_a_parent_that_is_killed() -> None:
    with temporary_home() as home:
        async with program(free_port(), "--processes", "2", FEEDGRAPH_DATA_DIR=str(home)) as server:
            left = workers_of(server)
            server.kill()
            async with asyncio.timeout(15):
                while any(map(is_there, left)):  # noqa: ASYNC110  # only the kernel knows
                    await asyncio.sleep(0.02)
        await gone(home)


async def test_a_process_that_cannot_start_ends_all_with_one_sentence() -> None:
    with launched(
        free_port(), "--processes", "2", DATABASE_URL="postgresql://app@127.0.0.1:1/x", REDIS_URL="redis://x"
    ) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 2
    assert said.splitlines()[-1].startswith("feedgraph: Cannot open the database")
