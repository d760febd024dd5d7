"""Registered documents in Redis: shared, bounded by number and by time of last use, and gone with Redis without harm."""

import asyncio
import secrets
from hashlib import sha256
from typing import Any

import pytest

from app.infra.redis import Redis
from app.stores.persisted import TEXTS, USED, PersistedTexts


def hashed(text: str) -> str:
    """The hash that a text is kept under."""
    return sha256(text.encode()).hexdigest()


@pytest.fixture
async def redis(servers):
    """Redis, with keys of this test alone."""
    redis = Redis(servers.redis_url, prefix=f"test:{secrets.token_hex(6)}:", timeout_s=5)
    yield redis
    await redis.close()


@pytest.fixture
def process(redis: Redis):
    """A function that makes the store of one process."""

    def make(*, ttl_s: int = 60, max_kept: int = 100, max_in_memory: int = 100, redis: Redis = redis) -> PersistedTexts:
        return PersistedTexts(redis, ttl_s=ttl_s, max_kept=max_kept, max_in_memory=max_in_memory)

    return make


async def kept_in(redis: Redis) -> set[str]:
    """The texts in Redis, whose two keys must agree."""
    client: Any = redis._client  # typed for answers in text too
    texts = await client.hgetall(redis._prefix + TEXTS)
    assert set(texts) == set(await client.zrange(redis._prefix + USED, 0, -1))
    return {text.decode() for text in texts.values()}


async def test_a_text_is_found_by_another_process(process):
    one, other = process(), process()
    assert await other.find(hashed("{ ä }")) is None
    await one.keep(hashed("{ ä }"), "{ ä }")
    assert await other.find(hashed("{ ä }")) == "{ ä }"


async def test_the_texts_that_were_not_used_for_the_longest_time_are_forgotten(process, redis):
    writer = process(max_kept=3)
    for text in ("a", "b", "c"):
        await writer.keep(hashed(text), text)
    assert await process().find(hashed("a")) == "a"
    for text in ("d", "e"):
        await writer.keep(hashed(text), text)
    assert await kept_in(redis) == {"a", "d", "e"}


async def test_a_bound_that_was_lowered_is_kept_from_the_next_text_on(process, redis):
    many = process(max_kept=5_000, max_in_memory=1)
    for start in range(0, 2_500, 50):
        await asyncio.gather(*(many.keep(hashed(str(number)), str(number)) for number in range(start, start + 50)))
    assert len(await kept_in(redis)) == 2_500
    await process(max_kept=10).keep(hashed("last"), "last")
    kept = await kept_in(redis)
    assert len(kept) == 10
    assert "last" in kept


async def test_a_text_that_nobody_uses_dies_and_one_in_use_lives(process, redis):
    await process(ttl_s=1).keep(hashed("used"), "used")
    await process(ttl_s=1).keep(hashed("unused"), "unused")
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.5
    while loop.time() < end:  # another process each time, so that Redis is asked
        assert await process(ttl_s=1).find(hashed("used")) == "used"
        await asyncio.sleep(0.1)
    assert await process(ttl_s=1).find(hashed("unused")) is None
    await process(ttl_s=1).keep(hashed("new"), "new")
    assert await kept_in(redis) == {"used", "new"}


async def test_redis_forgets_both_keys_when_nobody_comes_any_more(process, redis):
    await process(ttl_s=60).keep(hashed("a"), "a")
    for key in (TEXTS, USED):
        assert 0 < await redis._client.pttl(redis._prefix + key) <= 60_000


async def test_a_process_answers_from_memory_within_its_own_bound(process, redis):
    own = process(max_in_memory=2)
    for text in ("a", "b", "c"):
        await own.keep(hashed(text), text)
    await redis._client.delete(redis._prefix + TEXTS, redis._prefix + USED)
    assert [await own.find(hashed(text)) for text in ("a", "b", "c")] == [None, "b", "c"]


async def test_a_process_tells_redis_now_and_then_of_a_text_that_it_uses(process, redis):
    own = process(ttl_s=1)
    await own.keep(hashed("a"), "a")
    await redis._client.delete(redis._prefix + TEXTS, redis._prefix + USED)
    async with asyncio.timeout(10):
        while await kept_in(redis) != {"a"}:
            assert await own.find(hashed("a")) == "a"
            await asyncio.sleep(0.01)


async def test_without_redis_a_process_keeps_its_own(process):
    away = Redis("redis://127.0.0.1:1", prefix="test:", timeout_s=0.5)
    own = process(redis=away)
    assert await own.find(hashed("a")) is None
    await own.keep(hashed("a"), "a")
    assert await own.find(hashed("a")) == "a"
    await away.close()


async def test_a_text_that_has_another_hash_is_not_given(process, redis):
    await process().keep(hashed("good"), "evil")
    assert await process().find(hashed("good")) is None
