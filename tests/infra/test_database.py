"""The door to PostgreSQL: transactions, limits, and what becomes of errors and of cancelled callers."""

import asyncio

import pytest

from app.domain.errors import ConfigurationError, Conflict, DeadlineExceeded, FeedgraphError, InvalidInput, NotFound, Unavailable
from app.infra import database
from app.infra.database import Counts, Database
from app.infra.embedded import Addresses

pytestmark = pytest.mark.postgres

LOCK = 4711
INSERT = "insert into users (username, name) values ($1, 'Somebody')"


@pytest.fixture
async def small(addresses: Addresses, db: Database):
    """A door with two connections and short limits."""
    door, pool = await database.connect(addresses.database_url, pool_size=2, acquire_timeout_s=0.3, statement_timeout_s=0.5)
    yield door
    await database.close(pool, timeout_s=5)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("insert into users (username, name) values ('taken', 'Twice')", Conflict),
        ("insert into follows (follower_id, followee_id) values (8, 9)", NotFound),
        ("select 1 / 0", InvalidInput),
        ("select pg_sleep(5)", DeadlineExceeded),
        ("select pg_terminate_backend(pg_backend_pid())", Unavailable),
    ],
)
async def test_errors_of_the_driver_become_those_of_the_server(
    small: Database, statement: str, error: type[FeedgraphError]
) -> None:
    await small.execute(INSERT, "taken")
    with pytest.raises(error):
        await small.fetch(statement)
    assert await small.fetchval("select 1") == 1  # the pool goes on


async def test_door_counts_statements_and_rows(small: Database) -> None:
    counts = Counts()
    door = small.counted(counts)
    await door.fetch("select * from generate_series(1, 5)")
    await door.fetchval("select 1")
    async with door.transaction() as tx:
        await tx.execute("select 1")
    assert (counts.statements, counts.rows) == (3, 6)


async def test_transaction_that_fails_leaves_nothing(small: Database) -> None:
    with pytest.raises(LookupError):  # noqa: PT012  # what is under test is the whole block
        async with small.transaction() as tx:
            await tx.execute(INSERT, "nobody")
            raise LookupError
    assert await small.fetchval("select count(*) from users") == 0


async def test_transaction_inside_a_transaction_is_the_same_one(small: Database) -> None:
    with pytest.raises(LookupError):  # noqa: PT012  # what is under test is the whole block
        async with small.transaction() as outer:
            async with outer.transaction() as inner:
                await inner.execute(INSERT, "nobody")
            raise LookupError
    assert await small.fetchval("select count(*) from users") == 0


async def test_cancelled_transaction_leaves_nothing_and_frees_its_connection(small: Database) -> None:
    inserted = asyncio.Event()

    async def write() -> None:
        async with small.transaction() as tx:
            await tx.execute(INSERT, "nobody")
            inserted.set()
            await tx.execute("select pg_sleep(0.4)")

    for _ in range(4):  # more often than there are connections
        inserted.clear()
        writing = asyncio.create_task(write())
        await inserted.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    assert await small.fetchval("select count(*) from users") == 0


async def test_full_pool_is_unavailable_and_recovers(small: Database) -> None:
    async with small.transaction(), small.transaction():
        with pytest.raises(Unavailable):
            await small.fetchval("select 1")
    assert await small.fetchval("select 1") == 1


async def test_lock_of_a_dedicated_door_ends_with_it(small: Database, db: Database) -> None:
    async with small.dedicated() as door:
        assert await door.fetchval("select pg_try_advisory_lock($1)", LOCK)
        assert not await db.fetchval("select pg_try_advisory_lock($1)", LOCK)
    held = [True]
    async with asyncio.timeout(10):
        while held[0]:  # the server notices the closed connection a moment later
            held = [await db.fetchval("select exists (select from pg_locks where locktype = 'advisory' and objid = $1)", LOCK)]


async def test_dedicated_door_opens_real_transactions(small: Database) -> None:
    async with small.dedicated() as door:
        assert not door.in_transaction
        with pytest.raises(LookupError):  # noqa: PT012  # what is under test is the whole block
            async with door.transaction() as tx:
                await tx.execute(INSERT, "nobody")
                raise LookupError
        await door.execute(INSERT, "somebody")
    assert await small.fetchval("select array_agg(username) from users") == ["somebody"]


async def test_cut_connections_are_replaced(small: Database, db: Database) -> None:
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid = any($1)"
    async with small.transaction() as first, small.transaction() as second:
        pids = [await door.fetchval("select pg_backend_pid()") for door in (first, second)]
    await db.execute(cut, pids)
    answers = []

    async def ask() -> None:
        try:
            answers.append(await small.fetchval("select 1"))
        except Unavailable:
            answers.append(0)

    await asyncio.gather(*(ask() for _ in range(4)))  # those that met a cut connection are told so
    answers.clear()
    await ask()
    assert answers == [1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: "nonsense", "invalid DSN"),
        (lambda url: "postgresql://app@127.0.0.1:1/feedgraph", "refused|Connect call failed"),
        (lambda url: "postgresql://app@no-such-host.invalid/feedgraph", "Name or service|not known|name resolution"),
        (lambda url: url.replace("/feedgraph_test_", "/no_such_"), "does not exist"),
    ],
)
async def test_database_that_cannot_be_opened_is_said_in_a_sentence(addresses: Addresses, change, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refusal:
        await database.connect(change(addresses.database_url), pool_size=1, acquire_timeout_s=2, statement_timeout_s=1)
    assert refusal.value.message.startswith("Cannot open the database of DATABASE_URL: ")
    assert refusal.value.message.count("\n") == 0
