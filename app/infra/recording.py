"""A door to no database: it notes the statements that would have been sent, so that a plan can be told without running it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from app.infra.database import Counts, Database, Record


class Recording(Database):
    """A door whose every read finds nothing; `noted` are their texts, in the order in which they would be sent."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), reply_timeout_s=0)
        self.noted: list[str] = []

    def counted(self, _counts: Counts) -> Database:
        """Return this door: whoever asks, what is sent is noted here."""
        return self

    async def fetch(self, sql: str, *_args: Any) -> list[Record]:
        """Note the statement; return no rows."""
        self.noted.append(sql)
        return []

    async def execute(self, sql: str, *_args: Any) -> None:
        """Note the statement."""
        self.noted.append(sql)

    async def copy_records(self, table: str, *, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """Note the statement."""
        self.noted.append(f"copy {table} ({', '.join(columns)}) from stdin")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """Give this door."""
        yield self

    def on_one_connection(self) -> Any:
        """Return this door."""
        return self
