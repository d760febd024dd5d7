"""The Redis client that never fails its caller."""

import asyncio
import secrets

import pytest

from app.domain.errors import ConfigurationError
from app.infra.embedded import Addresses
from app.infra.redis import Redis

pytestmark = pytest.mark.redis

AWAY = "redis://127.0.0.1:1"


def prefix() -> str:
    return f"test:{secrets.token_hex(6)}:"


@pytest.fixture
async def redis(addresses: Addresses):
    client = Redis(addresses.redis_url, prefix=prefix(), timeout_s=1)
    yield client
    await client.close()


async def test_count_goes_up_and_tells_when_it_starts_anew(redis: Redis) -> None:
    counted = [await redis.count_up("door", window_s=60) for _ in range(3)]
    assert [count for count, _ in filter(None, counted)] == [1, 2, 3]
    assert all(0 < left_ms <= 60_000 for _, left_ms in filter(None, counted))
    assert (await redis.count_up("window", window_s=60) or (0, 0))[0] == 1


async def test_redis_that_is_away_is_no_error() -> None:
    client = Redis(AWAY, prefix=prefix(), timeout_s=0.5)
    assert await client.is_up() is False
    assert await client.publish("log", b"news") is False
    assert await client.count_up("door", window_s=60) is None
    assert client.is_listening is False
    await client.close()


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:6379", "redis://127.0.0.1:port", ""])
async def test_address_of_no_known_form_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL is not an address of Redis"):
        Redis(url, prefix=prefix(), timeout_s=1)


async def test_every_listener_of_the_prefix_hears_a_message(redis: Redis, addresses: Addresses) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    other = Redis(addresses.redis_url, prefix=prefix(), timeout_s=1)
    listening = [asyncio.create_task(each.listen({"log": heard.put_nowait})) for each in (redis, redis, other)]
    async with asyncio.timeout(10):
        while heard.qsize() < 2:  # until both listen
            await redis.publish("log", b"news")
            await asyncio.sleep(0.01)
        assert await heard.get() == b"news"
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    await other.close()


async def test_message_that_breaks_a_handler_is_not_swallowed(redis: Redis) -> None:
    def broken(_message: bytes) -> None:
        raise LookupError("a fault of ours")

    listening = asyncio.create_task(redis.listen({"log": broken}))
    async with asyncio.timeout(10):
        while not listening.done():
            await redis.publish("log", b"news")
            await asyncio.sleep(0.01)
    with pytest.raises(LookupError):
        await listening
    assert redis.is_listening is False


@pytest.mark.parametrize("steps", range(25))
async def test_cancelling_a_caller_is_heeded_wherever_it_is(steps: int, redis: Redis) -> None:
    if steps % 2:
        await redis.publish("log", b"")  # the connection is there already

    async def publish_for_ever() -> None:
        while True:
            await redis.publish("log", b"")

    publishing = asyncio.create_task(publish_for_ever())
    for _ in range(steps):
        await asyncio.sleep(0)
    publishing.cancel()
    done, _ = await asyncio.wait([publishing], timeout=5)
    publishing.cancel()
    assert done
    assert publishing.cancelled()
