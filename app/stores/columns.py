"""Which columns a read selects: whole things, or only what a plan needs, with those of a joined thing along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from app.infra.database import Record

Columns: TypeAlias = tuple[str, ...] | None  # which ones a read gives, in this order; None: whole things

WIRE_TIME = """to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""  # as domain.times.wire_time, for the session runs in UTC

LARGEST_CACHE = 4_096  # statements and their pieces; plans ask for the same few again and again


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as reads know it: the thing it holds, its alias in statements, and what may be joined to a row of it.

    `joins` maps a join's name to the joined table and the SQL that joins it as {joined} to {row}; it must find exactly one row.
    """

    thing: type[Any]
    alias: str
    joins: dict[str, tuple["Table", str]]

    def kind_of(self, name: str) -> Literal["text", "number", "time"]:
        """Return what a column holds.

        Raises:
            KeyError: the table has no such column.
        """
        type_ = next((field.type for field in fields(self.thing) if field.name == name), None)
        if type_ is None:
            raise KeyError(name)
        if type_ in {datetime, datetime | None}:
            return "time"
        return "number" if type_ in {int, int | None} else "text"

    def sql_of(self, alias: str, name: str) -> str:
        """Return the SQL of a column of a row that plans show: times as they travel, which spares making them and writing them.

        Raises:
            KeyError: the table has no such column.
        """
        column = f"{alias}.{name}"
        return WIRE_TIME.format(column=column) if self.kind_of(name) == "time" else column

    def join_of(self, name: str, alias: str) -> str:
        """Return the SQL of a join to the rows of an alias; the joined row is named after both."""
        _, sql = self.joins[name]
        return sql.format(row=alias, joined=f"{alias}_{name}")

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the whole thing, in the order of its fields."""
        return tuple(field.name for field in fields(self.thing))


@dataclass(frozen=True, slots=True)
class Selection:
    """Pieces of a statement. What was wanted stands first in its rows; columns of the statement's own come behind."""

    columns: str
    joins: str
    make: Callable[[Record], Any] | None  # the thing of a row; None: the row itself serves, by the places of its columns

    def made(self, rows: Sequence[Record]) -> Sequence[Any]:
        """Return what the reader wants of each row."""
        make = self.make
        return rows if make is None else [make(row) for row in rows]


@lru_cache(maxsize=LARGEST_CACHE)
def selection(table: Table, wanted: Columns) -> Selection:
    """Return what to select for the wanted columns; None gives the whole thing, names give rows with those columns first.

    Names are ours, never a caller's; one that the table does not have is a KeyError.
    """
    if wanted is None:
        thing, width = table.thing, len(table.names)
        names = ", ".join(f"{table.alias}.{name}" for name in table.names)
        return Selection(names, "", lambda row: thing(*row[:width]))
    joined: dict[str, str] = {}
    columns = [column_of(table, name, joined) for name in wanted]
    return Selection(", ".join(columns) or "null", " ".join(joined.values()), None)


def column_of(table: Table, name: str, joined: dict[str, str]) -> str:
    """Return the SQL of one wanted column, such as title or author.name; note the join that it needs."""
    join, _, column = name.rpartition(".")
    if not join:
        return f"{table.sql_of(table.alias, name)}{f' as {name}' if table.kind_of(name) == 'time' else ''}"
    other, sql = table.joins[join]
    joined[join] = sql.format(row=table.alias, joined=join)
    return f'{other.sql_of(join, column)} as "{name}"'


def in_order(keys: Sequence[Any], rows: Sequence[Record], part: Selection) -> list[Any]:
    """Return what was found for each key, None where nothing was; a row's last column is its key."""
    found = {row[-1]: made for row, made in zip(rows, part.made(rows), strict=True)}
    return [found.get(key) for key in keys]
