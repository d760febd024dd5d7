"""Keyset conditions: a page of a list in descending order, as SQL that an index answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.domain.paging import Key, Page, Slice, slice_of
from app.domain.times import moment
from app.infra.database import Record
from app.stores.columns import LARGEST_CACHE, Selection


@dataclass(frozen=True, slots=True)
class Keyset:
    """Pieces of a statement: `where` begins with "and" or is empty."""

    where: str
    order_by: str


@lru_cache(maxsize=LARGEST_CACHE)
def keyset(columns: tuple[str, ...], first_arg: int, backward: bool, has_after: bool, has_before: bool) -> Keyset:
    """Return the condition for rows in descending order of the columns; its arguments (`keyset_args`) begin at `first_arg`."""
    tuple_, where = f"({', '.join(columns)})", []
    for operator, is_given in (("<", has_after), (">", has_before)):
        if is_given:
            numbers = range(first_arg, first_arg + len(columns))
            where.append(f"and {tuple_} {operator} ({', '.join(f'${number}' for number in numbers)})")
            first_arg += len(columns)
    direction = "asc" if backward else "desc"
    return Keyset(" ".join(where), ", ".join(f"{column} {direction}" for column in columns))


def keyset_of(page: Page, columns: tuple[str, ...], *, first_arg: int) -> Keyset:
    """Return the condition of a page."""
    return keyset(columns, first_arg, page.backward, page.after is not None, page.before is not None)


def keyset_args(page: Page) -> list[Any]:
    """Return the arguments of a page's condition. Keys have one integer a column; of two the first is a time, in milliseconds."""
    args: list[Any] = []
    for key in (page.after, page.before):
        if key is not None:
            args += [moment(key[0]), key[1]] if len(key) == 2 else key
    return args


def slices(
    page: Page, keys: Sequence[int], rows: Sequence[Record], part: Selection, key_of: Callable[[Record], Key]
) -> list[Slice[Any]]:
    """Return one slice a key from the rows of a lateral join, whose last column is the key's number, from 1.

    The join gives each key's rows together and in the order of the inner select.
    """
    groups: list[list[Record]] = [[] for _ in keys]
    if len(keys) == 1:
        groups = [list(rows)]
    else:
        for row in rows:
            groups[row[-1] - 1].append(row)
    if part.make is not None or page.backward:
        return [sliced(page, group, part, key_of) for group in groups]
    # What plans ask for, thousands of times a second: `sliced` by hand.
    size, has_previous = page.size, page.after is not None
    return [
        Slice(group, False, has_previous, group, key_of)
        if len(group) <= size
        else Slice(kept := group[:size], True, has_previous, kept, key_of)
        for group in groups
    ]


def sliced(page: Page, rows: Sequence[Record], part: Selection, key_of: Callable[[Record], Key]) -> Slice[Any]:
    """Return the slice of rows that were read in the page's direction."""
    return slice_of(page, rows, key_of, part.made)
