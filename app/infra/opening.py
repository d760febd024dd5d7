"""A database for as long as a context is open: what a command needs that does one thing and serves nobody."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.infra import database, migrations
from app.infra.database import Database
from app.settings import Settings

POOL_CLOSE_S = 0.5  # whoever needed a connection has had its time


@asynccontextmanager
async def opened_database(settings: Settings, database_url: str, *, pool_size: int | None = None) -> AsyncIterator[Database]:
    """Give the database while the context is open.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    db, pool = await database.connect(
        database_url,
        pool_size=pool_size or settings.db_pool_size + 1,  # the relay holds one for itself
        acquire_timeout_s=settings.db_acquire_timeout_s,
        statement_timeout_s=settings.statement_timeout_s,
    )
    try:
        yield db
    finally:
        await database.close(pool, timeout_s=POOL_CLOSE_S)


@asynccontextmanager
async def migrated_database(settings: Settings, database_url: str, *, say: Callable[[str], None]) -> AsyncIterator[Database]:
    """Give the database with its tables as this version needs them, for a command that does one thing.

    Raises:
        ConfigurationError: it cannot be opened or migrated.
    """
    async with opened_database(settings, database_url, pool_size=2) as db:
        await migrations.apply(db, say=say)
        yield db
