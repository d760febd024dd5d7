"""Sessions, idempotency keys and attempts: what is remembered, and for how long."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from app import stores
from app.infra.redis import Redis
from app.stores.attempts import KEYS_IN_MEMORY, Attempts
from tests.stores.rows import add_users, costing

pytestmark = pytest.mark.postgres

HOUR = timedelta(hours=1)


async def claim(db, post_id, *, key="key", request=b"request", ttl_s=60):
    """Take a key for user 1."""
    return await stores.idempotency.claim(db, user_id=1, key=key, request_hash=request, post_id=post_id, ttl_s=ttl_s)


async def test_a_session_is_found_by_its_token_until_it_ends(db):
    [user] = await add_users(db, 1)
    expires_at = datetime.now(UTC) + HOUR
    with costing(db, 1):
        id_ = await stores.sessions.insert(db, user_id=user, token="secret", expires_at=expires_at)

    with costing(db, 1):
        session = await stores.sessions.by_token(db, "secret")
    assert session is not None
    assert (session.id, session.user_id, session.is_demo, session.expires_at) == (id_, user, False, expires_at)
    with costing(db, 2):
        assert await stores.sessions.by_token(db, "Secret") is None
        assert await stores.sessions.exists(db, id_)
    with costing(db, 2):
        assert await stores.sessions.delete(db, id_) is True
        assert await stores.sessions.delete(db, id_) is False
    assert await stores.sessions.by_token(db, "secret") is None
    assert not await stores.sessions.exists(db, id_)


async def test_the_token_itself_is_stored_nowhere(db):
    await add_users(db, 1)
    await stores.sessions.insert(db, user_id=1, token="secret", expires_at=datetime.now(UTC) + HOUR)
    row = await db.fetchval("select sessions::text from sessions")
    assert "secret" not in row
    assert b"secret".hex() not in row


async def test_an_expired_session_is_not_found_and_is_swept(db):
    await add_users(db, 1)
    now = datetime.now(UTC)
    old = await stores.sessions.insert(db, user_id=1, token="old", expires_at=now - HOUR)
    new = await stores.sessions.insert(db, user_id=1, token="new", expires_at=now + HOUR)

    assert await stores.sessions.by_token(db, "old") is None
    assert not await stores.sessions.exists(db, old)
    with costing(db, 1):
        await stores.sessions.delete_expired(db)
    assert await db.fetchval("select array_agg(id) from sessions") == [new]


async def test_the_first_claim_of_a_key_has_it_and_later_ones_hear_of_the_first(db):
    await add_users(db, 2)
    with costing(db, 1):
        assert await claim(db, 101) is None
    with costing(db, 2):
        assert await claim(db, 102, request=b"other") == (101, b"request")
    assert await claim(db, 103, key="Key") is None
    assert await stores.idempotency.claim(db, user_id=2, key="key", request_hash=b"request", post_id=104, ttl_s=60) is None


async def test_a_key_is_held_until_the_transaction_ends_for_its_owner_alone(db):
    async with db.transaction() as first:
        with costing(first, 1):
            assert await stores.idempotency.hold(first, user_id=1, key="key")
        assert not await stores.idempotency.hold(db, user_id=1, key="key")
        assert await stores.idempotency.hold(db, user_id=2, key="key")
        assert await stores.idempotency.hold(db, user_id=1, key="other")
    assert await stores.idempotency.hold(db, user_id=1, key="key")


async def test_a_key_is_free_again_after_its_time(db):
    await add_users(db, 1)
    await claim(db, 101)
    await db.execute("update idempotency_keys set created_at = now() - interval '61 seconds'")

    assert await claim(db, 102, request=b"other") is None
    assert await claim(db, 103) == (102, b"other")


async def test_old_keys_are_swept_and_younger_ones_stay(db):
    await add_users(db, 1)
    await claim(db, 101, key="old")
    await db.execute("update idempotency_keys set created_at = now() - interval '61 seconds'")
    await claim(db, 102, key="young")
    with costing(db, 1):
        await stores.idempotency.delete_older(db, ttl_s=60)
    assert await db.fetchval("select array_agg(key) from idempotency_keys") == ["young"]


async def test_a_second_claim_waits_for_the_first_transaction_and_takes_the_key_if_that_fails(db):
    await add_users(db, 1)
    seconds = []

    async def fail_while_another_waits():
        async with db.transaction() as first:
            assert await claim(first, 101) is None
            seconds.append(asyncio.create_task(claim(db, 102)))
            await waiting_for_a_lock(db)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_while_another_waits()

    assert await seconds[0] is None
    assert await claim(db, 103) == (102, b"request")


async def waiting_for_a_lock(db):
    """Return once a statement waits for another transaction."""
    waits = "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
    async with asyncio.timeout(10):
        while not await db.fetchval(waits):  # noqa: ASYNC110  # only the database knows
            await asyncio.sleep(0.01)


@pytest.fixture
async def redis(servers):
    """A client of the real Redis with keys of its own."""
    client = Redis(servers.redis_url, prefix=f"test:{secrets.token_hex(6)}:", timeout_s=5)
    yield client
    await client.close()


@pytest.mark.redis
async def test_attempts_are_counted_by_key_across_processes(redis):
    here, there = Attempts(redis), Attempts(redis)
    counts = [(await attempts.add("ada", window_s=100))[0] for attempts in (here, there, here)]
    other, left_s = await here.add("bob", window_s=100)
    assert counts == [1, 2, 3]
    assert other == 1
    assert 99 <= left_s <= 100


@pytest.mark.redis
async def test_attempts_start_anew_when_their_window_has_ended(redis):
    attempts = Attempts(redis)
    async with asyncio.timeout(20):
        assert (await attempts.add("ada", window_s=1))[0] == 1
        while (await attempts.add("ada", window_s=1))[0] != 1:  # noqa: ASYNC110  # only Redis knows
            await asyncio.sleep(0.1)


async def test_without_redis_attempts_are_counted_in_this_process_and_memory_stays_bounded():
    nowhere = Redis("redis://127.0.0.1:1/0", prefix="", timeout_s=0.2)
    attempts = Attempts(nowhere)
    try:
        assert [(await attempts.add("ada", window_s=100)) for _ in range(3)] == [(1, 100), (2, 100), (3, 100)]
        for number in range(KEYS_IN_MEMORY):
            await attempts.add(f"key {number}", window_s=100)
        assert (await attempts.add("ada", window_s=100))[0] == 1
    finally:
        await nowhere.close()
