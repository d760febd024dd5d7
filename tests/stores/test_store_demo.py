"""Loading the demo world: rows by COPY, in pieces of a bounded size."""

import pytest

from app.stores import demo
from tests.stores.rows import at, costing

pytestmark = pytest.mark.postgres


def users(count):
    """Give rows of demo.USER_COLUMNS."""
    return ((number, f"user_{number}", "U", None, None, at(0), 0, 0, 0) for number in range(1, count + 1))


@pytest.mark.parametrize(("rows", "statements"), [(0, 0), (1, 1), (3, 1), (4, 2), (7, 3)])
async def test_rows_are_copied_in_pieces(db, monkeypatch, rows, statements):
    monkeypatch.setattr(demo, "ROWS_PER_COPY", 3)
    with costing(db, statements):
        await demo.copy_users(db, users(rows))
    assert await db.fetchval("select count(*) from users") == rows


async def test_an_empty_world_is_known_and_clearing_makes_one_but_keeps_the_logs_head(db):
    with costing(db, 1):
        assert not await demo.users_exist(db)
    await demo.copy_users(db, users(2))
    await db.execute("update event_log_head set position = 7")
    assert await demo.users_exist(db)

    with costing(db, 1):
        await demo.clear(db)

    assert not await demo.users_exist(db)
    assert await db.fetchval("select position from event_log_head") == 7


async def test_two_loads_wait_for_each_other(db):
    async with db.transaction() as first:
        with costing(db, 2):
            await demo.lock(first)
        assert not await db.fetchval("select pg_try_advisory_xact_lock($1)", demo.LOAD_LOCK)
    assert await db.fetchval("select pg_try_advisory_xact_lock($1)", demo.LOAD_LOCK)
