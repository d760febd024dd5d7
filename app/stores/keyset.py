"""Keyset conditions: a page of a list in descending order, as SQL that an index answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.domain.paging import Key, Page, Slice, slice_of
from app.domain.times import moment
from app.infra.database import Record

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Keyset:
    """Pieces of a statement: `where` begins with "and" or is empty, `limit` is one more than the page's size."""

    where: str
    order_by: str
    limit: int
    args: list[Any]


def keyset(page: Page, columns: Sequence[str], *, first_arg: int) -> Keyset:
    """Return the condition for rows in descending order of the columns; its arguments are numbered from `first_arg`.

    Keys have one integer a column; of two columns the first is a time, in milliseconds.
    """
    tuple_ = f"({', '.join(columns)})"
    where, args = [], list[Any]()
    for operator, key in (("<", page.after), (">", page.before)):
        if key is not None:
            numbers = range(first_arg + len(args), first_arg + len(args) + len(key))
            where.append(f"and {tuple_} {operator} ({', '.join(f'${number}' for number in numbers)})")
            args += [moment(key[0]), key[1]] if len(key) == 2 else key
    direction = "asc" if page.backward else "desc"
    return Keyset(" ".join(where), ", ".join(f"{column} {direction}" for column in columns), page.size + 1, args)


def slices(
    page: Page, keys: Sequence[int], rows: Sequence[Record], row_of: Callable[[Record], Row], key_of: Callable[[Record], Key]
) -> list[Slice[Row]]:
    """Return one slice a key from the rows of a lateral join, whose first column is the key's number, from 1.

    The join gives each key's rows together and in the order of the inner select.
    """
    groups: list[list[Record]] = [[] for _ in keys]
    for row in rows:
        groups[row[0] - 1].append(row)
    return [sliced(page, group, row_of, key_of) for group in groups]


def sliced(page: Page, rows: Sequence[Record], row_of: Callable[[Record], Row], key_of: Callable[[Record], Key]) -> Slice[Row]:
    """Return the slice of rows that were read in the page's direction."""
    records = slice_of(page, rows, key_of)
    return Slice([row_of(row) for row in records.rows], records.keys, records.has_next, records.has_previous)
