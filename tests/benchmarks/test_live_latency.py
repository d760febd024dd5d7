"""How long a post takes to its subscribers, from the request to the frame. Run with `-s -m benchmark` on an idle machine."""

import asyncio
import statistics
import time

import pytest

from tests.clients import Person, Socket
from tests.faults.programs import Program, backend, program
from tests.faults.traffic import ADDED, CREATE

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.benchmark]

POSTS, WARM_UP = 300, 30
POSTS_BY_POLLING = 60  # between processes without Redis each takes up to two looks of a quarter of a second
NO_REDIS = "redis://127.0.0.1:1"


async def seconds_to(author: Person, subscriber: Socket) -> tuple[float, float]:
    """Write a post; return the seconds until the answer and until the frame."""
    began = time.perf_counter()
    arrival = asyncio.create_task(arrived(subscriber))
    await author.graphql(CREATE, input={"content": "How far is it?"})
    answered = time.perf_counter()
    return answered - began, await arrival - began


async def arrived(subscriber: Socket) -> float:
    """Return when the next frame is there."""
    await subscriber.receive()
    return time.perf_counter()


def figures(name: str, seconds: list[float]) -> str:
    """Return median, p99 and the worst in a line."""
    ms = sorted(second * 1000 for second in seconds)
    return f"{name:<28} median {statistics.median(ms):7.2f} ms   p99 {ms[int(len(ms) * 0.99)]:7.2f} ms   worst {ms[-1]:7.2f} ms"


async def measured(writer: Program, reader: Program, posts: int) -> None:
    """Print how long posts take from the one server to the other."""
    author, subscriber = await writer.somebody(), await reader.socket()
    await subscriber.subscribe(ADDED, after=subscriber.ack["payload"]["cursor"])
    times = [await seconds_to(author, subscriber) for _ in range(WARM_UP + posts)][WARM_UP:]
    assert len(times) == posts
    print(figures("  answer", [answer for answer, _ in times]))
    print(figures("  frame", [frame for _, frame in times]))


@pytest.mark.parametrize("redis", ["with Redis", "without Redis"])
async def test_time_from_post_to_frame(redis: str) -> None:
    with backend("postgres") as postgres, backend("valkey-server") as valkey:
        redis_url = valkey.address if redis == "with Redis" else NO_REDIS
        async with (
            program(DATABASE_URL=postgres.address, REDIS_URL=redis_url) as leader,  # it was there first
            program(DATABASE_URL=postgres.address, REDIS_URL=redis_url) as other,
        ):
            between = POSTS if redis == "with Redis" else POSTS_BY_POLLING
            print(f"\n{redis}: written and read at the leading server, {POSTS} posts one after the other")
            await measured(leader, leader, POSTS)
            print(f"{redis}: written at the leading server, read at the other, {between} posts")
            await measured(leader, other, between)
            print(f"{redis}: written at the other server, read at the leading one, {between} posts")
            await measured(other, leader, between)
