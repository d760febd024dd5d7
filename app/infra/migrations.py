"""Migrations: the plain SQL files of `migrations/`, each applied once, in the order of their names."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from app.domain.errors import ConfigurationError
from app.infra.database import Database

DIRECTORY = Path(__file__).parents[2] / "migrations"
LOCK = 0x66656567
WAIT_S = 0.2
OLDEST_POSTGRES = 150_000  # server_version_num

TABLE = """
create table if not exists schema_migrations (
    name text primary key, sha256 text not null, applied_at timestamptz not null default now()
)
"""


def files() -> list[Path]:
    """Return the migrations in their order."""
    return sorted(DIRECTORY.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def digest(file: Path) -> str:
    """Return what identifies a file's text."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


async def pending(db: Database) -> list[Path]:
    """Return the files that have not been applied yet. Two statements.

    Raises:
        ConfigurationError: an applied file was changed or is missing, or one with a lower number came later.
    """
    if not await db.fetchval("select to_regclass('schema_migrations') is not null"):
        return files()
    applied = {row[0]: row[1] for row in await db.fetch("select name, sha256 from schema_migrations")}
    known = {file.name: file for file in files()}
    for name, sha256 in applied.items():
        if name not in known:
            raise ConfigurationError(f"The database has migration {name}, which this version does not know: run a newer version.")
        if digest(known[name]) != sha256:
            raise ConfigurationError(
                f"migrations/{name} was changed after it was applied: restore it and add a new file instead."
            )
    missing = [file for name, file in known.items() if name not in applied]
    if missing and applied and missing[0].name < max(applied):
        raise ConfigurationError(
            f"migrations/{missing[0].name} comes before one that is applied already: give it a higher number."
        )
    return missing


async def state(db: Database) -> str:
    """Return "ok", "pending" or, where the database is another version's, "mismatch". Two statements."""
    try:
        return "pending" if await pending(db) else "ok"
    except ConfigurationError:
        return "mismatch"


async def apply(db: Database, *, say: Callable[[str], None]) -> int:
    """Apply what is pending; several servers may start at once. Return how many files were applied.

    Raises:
        ConfigurationError: PostgreSQL is too old, or the files do not fit what was applied before.
    """
    version = int(await db.fetchval("show server_version_num"))
    if version < OLDEST_POSTGRES:
        raise ConfigurationError(f"PostgreSQL {version // 10_000} is too old: feedgraph needs version 15 or newer.")
    async with db.dedicated() as connection:
        # Polling holds no snapshot while it waits, so it cannot deadlock with a statement that waits for old snapshots.
        while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110  # another process has it
            await asyncio.sleep(WAIT_S)
        try:
            await connection.execute(TABLE)
            todo = await pending(connection)
            for file in todo:
                say(f"Migrating: {file.stem}")
                await apply_one(connection, file)
        finally:
            await connection.execute("select pg_advisory_unlock_all()")
    return len(todo)


async def apply_one(connection: Database, file: Path) -> None:
    """Apply one file in one transaction."""
    async with connection.transaction() as db:
        await db.execute("set local lock_timeout = '5s'; set local statement_timeout = 0")
        await db.execute(file.read_bytes().decode())  # noqa: ASYNC240  # small, and nothing else runs yet
        await db.execute("insert into schema_migrations (name, sha256) values ($1, $2)", file.name, digest(file))
