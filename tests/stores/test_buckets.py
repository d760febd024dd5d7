"""Buckets in Redis: one script takes, fills up and puts back."""

import asyncio

import pytest

from app.domain.budgets import Budget, Caller
from app.infra.redis import Redis
from app.settings import Settings
from app.stores.buckets import Buckets

pytestmark = pytest.mark.redis

SLOW = Budget("test", 1_000, 1)  # flows back so slowly that a test does not see it
FAST = Budget("test", 1_000, 100_000)
UNLIMITED = Budget("test", 1_000, 1, is_unlimited=True)


@pytest.fixture
async def redis(servers, settings: Settings):
    """A client with keys of its own."""
    client = Redis(servers.redis_url, prefix=settings.redis_prefix, timeout_s=2)
    yield client
    await client.close()


async def taken(redis: Redis, budget: Budget, least: int, most: int | None = None) -> tuple[int, int]:
    """Return what came out and what is left."""
    answer = await Buckets(redis).take(Caller("somebody", budget), least, most or least)
    assert answer is not None
    return answer.points, answer.left


async def test_a_new_bucket_is_full(redis: Redis):
    assert await taken(redis, SLOW, 1) == (1, 999)


async def test_as_much_is_taken_as_is_wished_and_there(redis: Redis):
    assert await taken(redis, SLOW, 100, 600) == (600, 400)
    assert await taken(redis, SLOW, 100, 600) == (400, 0)


async def test_where_there_is_too_little_nothing_is_taken(redis: Redis):
    await taken(redis, SLOW, 900)
    assert await taken(redis, SLOW, 200) == (0, 100)
    assert await taken(redis, SLOW, 100) == (100, 0)


async def test_points_put_back_are_there_again_but_never_more_than_full(redis: Redis):
    await taken(redis, SLOW, 900)
    caller = Caller("somebody", SLOW)
    assert await Buckets(redis).put_back(caller, 500)
    assert await taken(redis, SLOW, 600) == (600, 0)
    await Buckets(redis).put_back(caller, 5_000)
    assert await taken(redis, SLOW, 1) == (1, 999)


async def test_points_flow_back(redis: Redis):
    await taken(redis, FAST, 1_000)
    async with asyncio.timeout(10):
        while (await taken(redis, FAST, 900))[0] == 0:  # noqa: ASYNC110  # time has no event
            await asyncio.sleep(0.005)


async def test_an_unlimited_bucket_gives_what_it_does_not_have_down_to_a_bound(redis: Redis):
    for _ in range(5):
        assert (await taken(redis, UNLIMITED, 900))[0] == 900
    assert (await taken(redis, UNLIMITED, 1))[1] == -1_000


async def test_callers_who_take_at_once_never_get_more_than_there_is(redis: Redis):
    answers = await asyncio.gather(*(taken(redis, SLOW, 30) for _ in range(100)))
    assert sum(points for points, _ in answers) == 990


async def test_callers_have_buckets_of_their_own(redis: Redis):
    await Buckets(redis).take(Caller("one", SLOW), 1_000, 1_000)
    other = await Buckets(redis).take(Caller("other", SLOW), 1, 1)
    assert other is not None
    assert other.left == 999


async def test_a_bucket_that_is_full_again_is_forgotten(redis: Redis, settings: Settings):
    await taken(redis, FAST, 1_000)
    left_ms = await redis.run_script("return redis.call('PTTL', KEYS[1])", keys=["bucket:{somebody}"], arguments=[])
    assert 0 < int(str(left_ms)) <= 1_010


async def test_without_redis_there_is_no_answer(settings: Settings):
    redis = Redis("redis://127.0.0.1:1", prefix=settings.redis_prefix, timeout_s=1)
    assert await Buckets(redis).take(Caller("somebody", SLOW), 1, 1) is None
    assert not await Buckets(redis).put_back(Caller("somebody", SLOW), 1)
    await redis.close()
