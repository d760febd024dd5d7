"""PostgreSQL: a pool of connections behind a door that counts every statement and speaks the server's own errors."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import asyncpg
from asyncpg.transaction import Transaction

from app.domain.errors import (
    ConfigurationError,
    Conflict,
    DeadlineExceeded,
    FeedgraphError,
    InvalidInput,
    NotFound,
    Unavailable,
)
from app.infra.connections import RELEASE_TIMEOUT_S, Connections, is_alive

Record = asyncpg.Record

SERVER_SETTINGS = {
    "application_name": "feedgraph",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than any of our statements runs
    "plan_cache_mode": "force_generic_plan",  # our statements are keyed look-ups: planning them anew each time gains nothing
}

REPLY_GRACE_S = 0.5  # a request's statement that takes this much longer than PostgreSQL's own limit gets no answer at all

UNREACHABLE = (
    OSError,  # TimeoutError is one
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver lost its thread because the connection broke in the middle of something
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)

CONFLICTING = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
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
        Conflict: the statement met what another transaction made or holds (unique key, deadlock, a lock that it did not get).
        NotFound: the statement's row points at one that is gone.
        InvalidInput: PostgreSQL cannot hold a value (out of range).
    """

    def __init__(
        self,
        connections: Connections,
        *,
        reply_timeout_s: float,
        counts: Counts | None = None,
        held: Any = None,
        is_request: bool = False,
    ) -> None:
        self._connections = connections
        self._reply_timeout_s = reply_timeout_s
        self._is_request = is_request
        self._patience_s = reply_timeout_s if is_request else None
        self._held = held  # the connection of the transaction that this door belongs to
        self.counts = counts or Counts()

    @property
    def in_transaction(self) -> bool:
        """Say whether this door belongs to a transaction."""
        return self._held is not None

    @property
    def holds_connection(self) -> bool:
        """Say whether this door has a connection of its own at hand. Whoever waits for others meanwhile keeps it from them."""
        return self._held is not None

    @property
    def statements(self) -> int:
        """How many statements were sent through all doors to these connections."""
        return self._connections.statements

    def counted(self, counts: Counts) -> "Database":
        """Return the same door for one request, with its counts; a request does not wait for a PostgreSQL that hangs."""
        return self._door(Database, counts=counts, is_request=True)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return all rows. One statement."""
        # Every read comes through here, so it does by hand what `_connection` and `translated_errors` do.
        try:
            if self._held is not None:
                return await self._fetched(self._held, sql, args)
            connection = self._connections.take_free() or await self._connections.take()
            try:
                rows = await self._fetched(connection, sql, args)
            except BaseException:
                await self._connections.put_back(connection)
                raise
        except DRIVER_ERRORS as error:
            if (meaning := translated(error)) is error:
                raise
            raise meaning from error
        self._connections.give(connection)
        return rows

    async def _fetched(self, connection: Any, sql: str, args: Sequence[Any]) -> list[Record]:
        self.counts.statements += 1
        self._connections.statements += 1
        rows: list[Record] = await connection.fetch(sql, *args, timeout=self._patience_s)
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
            self._connections.statements += 1
            await connection.execute(sql, *args, timeout=self._patience_s)

    async def copy_records(self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """Load rows by COPY, the fast way for many."""
        async with self._connection() as connection:
            self.counts.statements += 1
            self._connections.statements += 1
            await connection.copy_records_to_table(table, columns=list(columns), records=records)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Database"]:
        """Give a door whose statements happen together or not at all; inside a transaction, give that one's."""
        if self.in_transaction:
            yield self
            return
        async with self._connection() as connection:
            transaction = connection.transaction()
            async with asyncio.timeout(self._patience_s):  # the driver itself would wait for ever
                await transaction.start()
            try:
                yield self._door(Database, held=connection)
            except BaseException:
                await roll_back(connection, transaction)
                raise
            await transaction.commit()

    def on_one_connection(self) -> "OneConnection":
        """Return a door whose statements run one after the other on one connection, taken when the first one needs it; the caller
        gives it back at the end."""
        return cast("OneConnection", self._door(OneConnection))

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator["Database"]:
        """Give a door on one connection of its own, outside any transaction: session locks live as long as it is open."""
        async with self._connection() as connection:
            try:
                yield self._door(DedicatedDatabase, held=connection)
            finally:
                end(connection)  # back in the pool it would keep its session locks, and nobody could take them again

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with translated_errors():
            if self._held is not None:
                yield self._held
                return
            connection = await self._connections.take()
            try:
                yield connection
            except BaseException:
                await self._connections.put_back(connection)
                raise
            if is_alive(connection):
                self._connections.give(connection)
            else:
                await self._connections.put_back(connection)

    def _door(
        self, kind: "type[Database]", *, counts: Counts | None = None, held: Any = None, is_request: bool | None = None
    ) -> "Database":
        return kind(
            self._connections,
            reply_timeout_s=self._reply_timeout_s,
            counts=counts or self.counts,
            held=held,
            is_request=self._is_request if is_request is None else is_request,
        )


class OneConnection(Database):
    """A door that keeps the connection of its first statement for the later ones, which wait for each other.

    The driver runs one statement at a time on a connection.
    """

    _borrowed: Any = None
    _is_idle = True  # nothing runs on the borrowed connection, nor did anything break off

    @property
    def holds_connection(self) -> bool:
        """Say whether a statement was sent already."""
        return self._borrowed is not None

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return all rows. One statement."""
        try:
            async with self._turn:
                if self._borrowed is None:
                    self._borrowed = self._connections.take_free() or await self._connections.take()
                self._is_idle = False
                rows = await self._fetched(self._borrowed, sql, args)
                self._is_idle = True
                return rows
        except DRIVER_ERRORS as error:
            if (meaning := translated(error)) is error:
                raise
            raise meaning from error

    async def give_back(self) -> None:
        """Let go of the connection; the door may be used again."""
        if self._borrowed is None:
            return
        connection, self._borrowed = self._borrowed, None
        if self._is_idle and is_alive(connection):
            self._connections.give(connection)
        else:
            self._is_idle = True
            await self._connections.put_back(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with translated_errors(), self._turn:
            if self._borrowed is None:
                self._borrowed = await self._connections.take()
            self._is_idle = False
            yield self._borrowed
            self._is_idle = True

    @cached_property
    def _turn(self) -> asyncio.Lock:
        return asyncio.Lock()


class DedicatedDatabase(Database):
    """A door on one connection that still opens transactions of its own."""

    @property
    def in_transaction(self) -> bool:
        """A dedicated connection is not in a transaction until `transaction()` opens one."""
        return False


async def roll_back(connection: Any, transaction: Transaction) -> None:
    """Roll a transaction back; where that fails, end its connection, and the transaction with it."""
    try:
        async with asyncio.timeout(RELEASE_TIMEOUT_S):
            await transaction.rollback()
    except (*UNREACHABLE, asyncpg.PostgresError):
        end(connection)


def end(connection: Any) -> None:
    """End a connection at once, without a word to PostgreSQL."""
    with suppress(asyncpg.InterfaceError):  # it broke before, and the pool has taken it back already
        connection.terminate()


DRIVER_ERRORS = (*UNREACHABLE, asyncpg.PostgresError)

MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[FeedgraphError]], ...] = (
    (CONFLICTING, Conflict),
    ((asyncpg.ForeignKeyViolationError,), NotFound),  # what the row points at went away meanwhile
    ((asyncpg.DataError,), InvalidInput),
    ((asyncpg.QueryCanceledError,), DeadlineExceeded),
    (UNREACHABLE, Unavailable),
)


def translated(error: BaseException) -> BaseException:
    """Return the server's own error for a driver's, so that no driver leaks upwards; itself where it is a fault of ours."""
    return next((meaning() for kinds, meaning in MEANINGS if isinstance(error, kinds)), error)


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Turn the driver's errors into the server's."""
    try:
        yield
    except DRIVER_ERRORS as error:
        if (meaning := translated(error)) is error:
            raise
        raise meaning from error


async def connect(
    database_url: str, *, pool_size: int, acquire_timeout_s: float, statement_timeout_s: float
) -> tuple[Database, Connections]:
    """Open the first connection; return the door and the connections behind it, which the caller closes.

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
    connections = Connections(pool, size=pool_size, timeout_s=acquire_timeout_s)
    return Database(connections, reply_timeout_s=statement_timeout_s + REPLY_GRACE_S), connections


async def leave_as_is(_connection: Any) -> None:
    """Skip the driver's reset script: nothing here changes a session, and the script costs more than a small statement."""


async def close(connections: Connections, *, timeout_s: float) -> None:
    """End what `connect` opened; connections that are still busy after the time are ended in the middle of their work."""
    await connections.close(timeout_s=timeout_s)
