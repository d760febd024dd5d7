"""The log's tables: made ahead, dropped whole, and changed under a server of the version before."""

import secrets
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from app.domain.errors import Conflict
from app.domain.events import EventType, NewEvent
from app.infra import database, migrations
from app.infra.event_log import Lost, append, journal, pieces, read_after
from tests.conftest import empty, quiet

pytestmark = pytest.mark.postgres

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SIZE = 10


@asynccontextmanager
async def database_up_to(servers, last):
    """Give a new database with the migrations up to a number, and its address."""
    name = f"feedgraph_test_{secrets.token_hex(6)}"
    address = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    admin, admin_pool = await database.connect(servers.database_url, pool_size=1, acquire_timeout_s=10, statement_timeout_s=60)
    await admin.execute(f"create database {name}")
    db, pool = await database.connect(address, pool_size=4, acquire_timeout_s=10, statement_timeout_s=60)
    try:
        await db.execute(migrations.TABLE)
        for file in [file for file in migrations.files() if file.name[:4] <= last]:
            await migrations.apply_one(db, file)
        yield db, address
    finally:
        await database.close(pool, timeout_s=5)
        await admin.execute(f"drop database {name} with (force)")
        await database.close(admin_pool, timeout_s=5)


@pytest.fixture
async def log(servers):
    """A database of its own, for its tables are changed."""
    async with database_up_to(servers, "9999") as (db, _):
        await empty(db)
        await db.execute("drop table event_log_1; delete from event_log_pieces")
        yield db


async def write(db, *numbers):
    """Write events and move them into the log."""
    for number in numbers:
        await append(db, NewEvent(EventType.POST_CREATED, ("posts",), number))
    await journal.move_batch(db)


async def tables(db):
    """Return the log's tables with the number of their rows."""
    names = await db.fetch("select relid::text as name from pg_partition_tree('event_log') where isleaf order by 1")
    return {row["name"]: await db.fetchval(f"select count(*) from {row['name']}") for row in names}


async def subjects(db, position):
    """Return what events behind the position are about."""
    return [event.subject_id for event in await read_after(db, position)]


async def test_room_is_made_ahead_and_what_is_too_old_leaves_by_tables(log):
    assert await pieces.make_room(log, piece=SIZE) == SIZE
    await write(log, *range(1, 6))
    assert await pieces.make_room(log, piece=SIZE) == 2 * SIZE
    assert await pieces.make_room(log, piece=SIZE) == 2 * SIZE  # there is enough now
    await write(log, *range(6, 26))

    assert await tables(log) == {"event_log_1": 10, "event_log_11": 10, "event_log_rest": 5}
    assert await subjects(log, 0) == list(range(1, 26))
    assert await pieces.make_room(log, piece=SIZE) == 35  # what had to go to the rest stays there
    await write(log, 26)
    await pieces.discard_before(log, LONG_AGO, keep=14)

    assert await tables(log) == {"event_log_11": 10, "event_log_26": 1, "event_log_rest": 5}
    for position in (0, 9, 11):
        with pytest.raises(Lost) as lost:
            await read_after(log, position)
        assert lost.value.oldest == 12  # the rows are there still, and given to nobody
    assert await subjects(log, 12) == list(range(13, 27))
    await pieces.discard_before(log, datetime.now(UTC), keep=10**6)
    assert await tables(log) == {"event_log_26": 1, "event_log_rest": 0}
    assert await subjects(log, 26) == []


async def test_who_reads_for_long_keeps_the_tables_and_not_the_events(log):
    await pieces.make_room(log, piece=SIZE)
    await write(log, *range(1, 21))
    async with log.transaction() as reader:
        await read_after(reader, 0)
        with pytest.raises(Conflict):
            await pieces.discard_before(log, LONG_AGO, keep=5)
        with pytest.raises(Lost):
            await read_after(log, 14)
    await pieces.discard_before(log, LONG_AGO, keep=5)
    assert await tables(log) == {"event_log_rest": 5}


async def test_a_relay_of_the_version_before_goes_on_while_the_log_is_cut_into_pieces(servers):
    """Its statements are prepared: they must find the new tables under the old names."""
    async with database_up_to(servers, "0004") as (db, address):
        old = await asyncpg.connect(address)
        move = await old.prepare(
            """
            with taken as (
                delete from outbox where id in (select id from outbox order by id limit $1) returning *
            ), counted as (
                select count(*) as events from taken
            ), head as (
                update event_log_head set position = position + events from counted where events > 0
                returning position - events as before
            )
            insert into event_log (position, type, at, topics, subject_id)
            select head.before + row_number() over (order by taken.id), type, at, topics, subject_id from taken, head
            returning position
            """
        )
        read = await old.prepare("select position from event_log where position > $1 order by position limit $2")
        discard = await old.prepare("delete from event_log where position <= $1")
        left = """
            insert into outbox (type, topics, subject_id) select 'post.created', '{posts}', n from generate_series($1::int, $2) n
        """
        for first in (1, 4):
            await old.execute(left, first, first + 2)
            await move.fetch(1_000)
        assert [row[0] for row in await read.fetch(0, 10)] == [1, 2, 3, 4, 5, 6]

        await migrations.apply(db, say=quiet)

        await old.execute(left, 7, 9)
        assert [row[0] for row in await move.fetch(1_000)] == [7, 8, 9]
        assert [row[0] for row in await read.fetch(4, 10)] == [5, 6, 7, 8, 9]
        assert await subjects(db, 0) == list(range(1, 10))
        await discard.fetch(2)
        with pytest.raises(Lost) as lost:
            await read_after(db, 0)
        assert lost.value.oldest == 2
        assert await tables(db) == {"event_log_1": 7, "event_log_rest": 0}
        await old.close()


async def test_a_leader_that_hangs_loses_the_lead(log):
    async with log.dedicated() as hanging, log.dedicated() as next_one:
        await journal.stand_for_leader(hanging, silence_s=0.05)
        assert await journal.try_to_lead(hanging)
        while not await journal.try_to_lead(next_one):
            pass
        assert await journal.try_to_lead(next_one)
        assert not await journal.try_to_lead(log)
