"""PostgreSQL: a pool of connections behind a door that counts every statement and speaks the server's own errors."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.domain.errors import ConfigurationError, Conflict, DeadlineExceeded, InvalidInput, NotFound, Unavailable

Record = asyncpg.Record

SERVER_SETTINGS = {
    "application_name": "feedgraph",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any of our statements runs
    "plan_cache_mode": "force_generic_plan",  # our statements are keyed look-ups: planning them anew each time gains nothing
}

UNREACHABLE = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


@dataclass(slots=True)
class Counts:
    """What one request cost so far."""

    statements: int = 0
    rows: int = 0
    batches: int = 0  # filled by the loaders


class Database:
    """The door to PostgreSQL. Every store function takes one: the pool's, or the one of a transaction in progress.

    Raises from every method:
        Unavailable: PostgreSQL cannot be reached or gives no connection in time.
        DeadlineExceeded: PostgreSQL stopped the statement at its own limit.
        Conflict: the statement met a row that another transaction made or holds (unique key, deadlock).
        NotFound: the statement's row points at one that is gone.
        InvalidInput: PostgreSQL cannot hold a value (out of range).
    """

    def __init__(
        self, pool: "asyncpg.Pool[Record]", *, acquire_timeout_s: float, counts: Counts | None = None, held: Any = None
    ) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self._held = held  # the connection of the transaction that this door belongs to
        self.counts = counts or Counts()

    @property
    def in_transaction(self) -> bool:
        """Say whether this door belongs to a transaction."""
        return self._held is not None

    def counted(self, counts: Counts) -> "Database":
        """Return the same door with the counts of one request."""
        return Database(self._pool, acquire_timeout_s=self._acquire_timeout_s, counts=counts)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return all rows. One statement."""
        async with self._connection() as connection:
            self.counts.statements += 1
            rows: list[Record] = await connection.fetch(sql, *args)
        self.counts.rows += len(rows)
        return rows

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        """Return the first row, or None. One statement."""
        rows = await self.fetch(sql, *args)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first row, or None. One statement."""
        row = await self.fetchrow(sql, *args)
        return row[0] if row is not None else None

    async def execute(self, sql: str, *args: Any) -> None:
        """Run a statement that gives no rows (without arguments: several, separated by semicolons)."""
        async with self._connection() as connection:
            self.counts.statements += 1
            await connection.execute(sql, *args)

    async def copy_records(self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """Load rows by COPY, the fast way for many."""
        async with self._connection() as connection:
            self.counts.statements += 1
            await connection.copy_records_to_table(table, columns=list(columns), records=records)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Database"]:
        """Give a door whose statements happen together or not at all; inside a transaction, give that one's."""
        if self.in_transaction:
            yield self
            return
        async with self._connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield Database(self._pool, acquire_timeout_s=self._acquire_timeout_s, counts=self.counts, held=connection)
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            await transaction.commit()

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator["Database"]:
        """Give a door on one connection of its own, outside any transaction: session locks live as long as it is open."""
        async with self._connection() as connection:
            yield DedicatedDatabase(self._pool, acquire_timeout_s=self._acquire_timeout_s, counts=self.counts, held=connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with translated_errors():
            if self._held is not None:
                yield self._held
                return
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                yield connection


class DedicatedDatabase(Database):
    """A door on one connection that still opens transactions of its own."""

    @property
    def in_transaction(self) -> bool:
        """A dedicated connection is not in a transaction until `transaction()` opens one."""
        return False


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Turn the driver's errors into the server's, so that no driver leaks upwards."""
    try:
        yield
    except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
        raise Conflict from error
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound from error  # what the row points at went away meanwhile
    except asyncpg.DataError as error:
        raise InvalidInput from error
    except asyncpg.QueryCanceledError as error:
        raise DeadlineExceeded from error
    except UNREACHABLE as error:
        raise Unavailable from error


async def connect(
    database_url: str, *, pool_size: int, acquire_timeout_s: float, statement_timeout_s: float
) -> tuple[Database, "asyncpg.Pool[Record]"]:
    """Open the pool and return its door; the caller closes the pool.

    Raises:
        ConfigurationError: PostgreSQL does not answer at this address, or does not let us in.
    """
    settings = {**SERVER_SETTINGS, "statement_timeout": str(int(statement_timeout_s * 1000))}
    try:
        pool = await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=pool_size,
            timeout=acquire_timeout_s,
            max_inactive_connection_lifetime=0,  # kept connections keep their prepared statements
            server_settings=settings,
            reset=leave_as_is,
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or type(error).__name__
        raise ConfigurationError(f"Cannot open the database of DATABASE_URL: {reason.rstrip('.')}.") from error
    return Database(pool, acquire_timeout_s=acquire_timeout_s), pool


async def leave_as_is(_connection: Any) -> None:
    """Skip the driver's reset script: nothing here changes a session, and the script costs more than a small statement."""


async def close(pool: "asyncpg.Pool[Record]", *, timeout_s: float) -> None:
    """Close the pool; connections that are still busy after the time are ended."""
    try:
        async with asyncio.timeout(timeout_s):
            await pool.close()
    except TimeoutError:
        pool.terminate()
