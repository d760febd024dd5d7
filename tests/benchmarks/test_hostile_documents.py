"""How long refusals take while others are served. Run with `-s -m benchmark` on an idle machine."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from itertools import count

import pytest

from app.bench.processes import cpu_s
from tests.faults.programs import Program, backend, program
from tests.transports.graphql.hostile import HOSTILE
from tests.transports.graphql.wire import NEW_TYPE, assert_refused, send

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.benchmark]

TIMES = 30
OTHERS = 4  # callers who go on meanwhile
MOST_MS = 50
HONEST = "{ latestPosts(first: 10) { nodes { title author { name } } } }"


async def honest_caller(server: Program, times_ms: list[float]) -> None:
    """Ask an honest query again and again."""
    while True:
        began = time.perf_counter()
        assert (await server.graphql(HONEST)).status == 200
        times_ms.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.005)


def figures(times_ms: list[float]) -> str:
    """Return median and the worst of times."""
    return f"median {statistics.median(times_ms):6.2f} ms, worst {max(times_ms):6.2f} ms"


async def refused(server: Program, name: str, numbers: Iterator[int]) -> list[float]:
    """Send a hostile request many times, never the same text; return the milliseconds to each refusal."""
    body, status, code = HOSTILE[name]
    times_ms = []
    for _ in range(TIMES):
        sent = body(next(numbers))
        began = time.perf_counter()
        answer = await send(server, sent, accept=NEW_TYPE)
        times_ms.append((time.perf_counter() - began) * 1000)
        assert_refused(answer, status, code)
    return times_ms


async def test_time_of_refusals_while_others_are_served() -> None:
    with backend("postgres") as postgres, backend("valkey-server") as valkey:
        async with program(
            DATABASE_URL=postgres.address, REDIS_URL=valkey.address, FEEDGRAPH_ANONYMOUS_POINTS="100000000"
        ) as server:
            numbers, others_ms, medians = count(), list[float](), list[float]()
            print("\nCPU of the server for each refusal, nothing else asked")
            for name in HOSTILE:
                before_s = cpu_s(server.process.pid)
                await refused(server, name, numbers)
                print(f"{name:<34} {(cpu_s(server.process.pid) - before_s) * 1000 / TIMES:6.2f} ms")
            others = [asyncio.create_task(honest_caller(server, others_ms)) for _ in range(OTHERS)]
            await asyncio.sleep(1)
            print(f"Time to the refusal while {OTHERS} others ask; undisturbed, these wait {figures(others_ms)}")
            for name in HOSTILE:
                others_ms.clear()
                times_ms = await refused(server, name, numbers)
                medians.append(statistics.median(times_ms))
                print(f"{name:<34} {figures(times_ms)}; others {figures(others_ms)}")
            assert not [task.result() for task in others if task.done()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
    assert max(medians) < MOST_MS
