"""The event log's tables: dense positions in the order of the commits, retention, and the loss that a reader is told of."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.events import Event, EventType, NewEvent
from app.infra.event_log import Lost, append, discard_before, head, journal, read_after
from tests.stores.rows import costing

pytestmark = pytest.mark.postgres

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
EVERYTHING = 10**9


def event(number):
    """Return an event about this number."""
    return NewEvent(EventType.POST_CREATED, ("posts", f"post:{number}"), number)


async def write(db, *numbers):
    """Leave events in the outbox and move them into the log."""
    for number in numbers:
        await append(db, event(number))
    return await journal.move_batch(db)


async def test_events_get_the_next_positions_and_keep_what_they_say(db):
    with costing(db, 2):
        moved = await write(db, 7)
    with costing(db, 1):
        position = (await head(db)).position

    assert position == 1
    assert [(e.position, e.type, e.topics, e.subject_id) for e in moved] == [(1, EventType.POST_CREATED, ("posts", "post:7"), 7)]
    with costing(db, 1):
        assert await read_after(db, 0) == moved
    assert isinstance(moved[0], Event)
    assert await db.fetchval("select count(*) from outbox") == 0


async def test_nothing_to_move_leaves_the_head_where_it_is(db):
    await write(db, 1)
    with costing(db, 1):
        assert await journal.move_batch(db) == []
    assert (await head(db)).position == 1
    with costing(db, 2):
        assert await read_after(db, 1) == []


async def test_positions_are_dense_while_writers_commit_late_or_not_at_all(db):
    chance = random.Random(3)
    committed = []

    async def writer(number):
        try:
            async with db.transaction() as transaction:
                await append(transaction, event(number))
                for _ in range(chance.randrange(3)):
                    await transaction.fetchval("select pg_sleep(0.001)")
                if number % 4 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        committed.append(number)

    async def leader():
        while len(committed) < 45 or await db.fetchval("select exists (select from outbox)"):
            await journal.move_batch(db)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(leader())
        for number in range(60):
            group.create_task(writer(number))

    events = await read_after(db, 0)
    assert [e.position for e in events] == list(range(1, 46))
    assert sorted(e.subject_id for e in events) == sorted(committed) == [n for n in range(60) if n % 4]


async def test_a_long_log_is_read_in_pieces(db):
    await write(db, *range(1, 8))
    seen, position = [], 0
    while piece := await read_after(db, position, limit=3):
        seen.append([e.subject_id for e in piece])
        position = piece[-1].position
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]


async def test_a_batch_is_bounded_and_the_rest_follows_in_order(db):
    rows = [("post.created", ["posts"], number) for number in range(journal.BATCH_SIZE + 5)]
    await db.copy_records("outbox", columns=("type", "topics", "subject_id"), records=rows)

    first, second = await journal.move_batch(db), await journal.move_batch(db)

    assert (len(first), len(second)) == (journal.BATCH_SIZE, 5)
    assert [e.subject_id for e in first + second] == list(range(journal.BATCH_SIZE + 5))
    assert [e.position for e in first + second] == list(range(1, journal.BATCH_SIZE + 6))


async def test_what_is_too_old_or_too_much_leaves_and_a_reader_from_before_is_told(db):
    await write(db, *range(1, 11))
    await db.execute("update event_log set at = now() - interval '2 days' where position <= 3")

    with costing(db, 3):
        await discard_before(db, datetime.now(UTC) - timedelta(days=1), keep=EVERYTHING)
    with pytest.raises(Lost) as lost:
        await read_after(db, 2)
    assert lost.value.oldest == 3
    assert [e.position for e in await read_after(db, 3)] == list(range(4, 11))

    await discard_before(db, LONG_AGO, keep=2)
    with pytest.raises(Lost) as lost:
        await read_after(db, 3)
    assert lost.value.oldest == 8
    assert [e.position for e in await read_after(db, 8)] == [9, 10]


async def test_keeping_more_than_there_is_discards_nothing(db):
    await write(db, 1, 2)
    await discard_before(db, LONG_AGO, keep=EVERYTHING)
    assert len(await read_after(db, 0)) == 2


async def test_a_log_that_is_emptied_tells_readers_from_before_and_goes_on_at_the_next_position(db):
    await write(db, 1, 2, 3)
    await discard_before(db, LONG_AGO, keep=0)

    with pytest.raises(Lost) as lost:
        await read_after(db, 1)
    assert lost.value.oldest == 3
    assert await read_after(db, 3) == []
    assert [e.position for e in await write(db, 4)] == [4]


async def test_one_connection_leads_at_a_time_and_its_end_frees_the_place(db):
    async with db.dedicated() as first, db.dedicated() as second:
        assert await journal.try_to_lead(first)
        assert not await journal.try_to_lead(second)
        await first.execute("select pg_advisory_unlock_all()")
        assert await journal.try_to_lead(second)
        await second.execute("select pg_advisory_unlock_all()")
