"""Pages of lists by keyset: what was asked for, where it starts, and what came back.

A cursor names a row by its sort key, never by its position or by looking the row up, so it survives new and deleted rows. It is
base64url of `1|<sort>|<filter>|<key>` (1 is the version): strictly parsed, and refused by every list but the one that gave it.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.domain.errors import CursorInvalid, InvalidInput, PageSize
from app.domain.ids import LARGEST_ID

DEFAULT_PAGE_SIZE = 20
VERSION = "1"
CURSOR_TEXT = re.compile(r"[A-Za-z0-9_-]{1,120}", re.ASCII)
KEY_PART = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

Key = tuple[int, ...]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list and the rows it holds: `sort` names the order, `parts` is the number of integers in its key,
    `filter` tells this list from others in the same order (such as the posts of user 123)."""

    sort: str
    parts: int
    filter: str

    def encode(self, key: Key) -> str:
        """Return the cursor of the row with this sort key."""
        text = f"{VERSION}|{self.sort}|{self.filter}|{','.join(map(str, key))}"
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def decode(self, cursor: str) -> Key:
        """Return the sort key that a cursor of this list names.

        Raises:
            CursorInvalid: the text is not a cursor, or it is another list's.
        """
        version, sort, filter_, key = split_cursor(cursor)
        parts = key.split(",")
        wanted = (VERSION, self.sort, self.filter, self.parts)
        if (version, sort, filter_, len(parts)) != wanted or not all(map(KEY_PART.fullmatch, parts)):
            raise CursorInvalid
        numbers = tuple(map(int, parts))
        if max(numbers) > LARGEST_ID or self.encode(numbers) != cursor:
            raise CursorInvalid
        return numbers


def split_cursor(cursor: str) -> tuple[str, str, str, str]:
    """Return version, sort, filter and key of a cursor's text."""
    if not CURSOR_TEXT.fullmatch(cursor):
        raise CursorInvalid
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        version, sort, filter_, key = text.split("|")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise CursorInvalid from None
    return version, sort, filter_, key


@dataclass(frozen=True, slots=True)
class Page:
    """A wish: `size` rows after the key `after` and before the key `before`; the last ones of them if `backward`.

    A page that does not `peek` leaves it open whether there is more behind it, which spares a row of each list.
    """

    size: int
    backward: bool = False
    after: Key | None = None
    before: Key | None = None
    peeks: bool = True

    @property
    def limit(self) -> int:
        """How many rows to read."""
        return self.size + self.peeks


@dataclass(slots=True)
class Slice(Generic[Row]):
    """An answer: the rows in the list's order, and whether there is more on either side."""

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool
    records: Sequence[Any] = field(compare=False, repr=False)  # the rows as they were read
    key_of: Callable[[Any], Key] = field(compare=False, repr=False)

    @property
    def keys(self) -> list[Key]:
        """The rows' sort keys."""
        return [self.key_of(record) for record in self.records]


def page_size(size: int, *, largest: int) -> int:
    """Return a wished size that is allowed.

    Raises:
        PageSize: it is below 0 or above `largest`.
    """
    if not 0 <= size <= largest:
        raise PageSize(f"A page holds from 0 to {largest} rows: {size} is out of that range.")
    return size


def page_of(order: Order, *, first: int | None, after: str | None, last: int | None, before: str | None, largest: int) -> Page:
    """Return the page that Relay's four arguments ask for; absent first and last mean 20 from the start.

    Raises:
        PageSize: first or last is out of range.
        InvalidInput: first and last are both given.
        CursorInvalid: a cursor is not one of this list.
    """
    if first is not None and last is not None:
        raise InvalidInput("Give first or last, not both.", field="last")
    backward = last is not None
    size = next((wish for wish in (first, last) if wish is not None), DEFAULT_PAGE_SIZE)
    return Page(
        size=page_size(size, largest=largest),
        backward=backward,
        after=order.decode(after) if after is not None else None,
        before=order.decode(before) if before is not None else None,
    )


def slice_of(
    page: Page, rows: Sequence[Any], key_of: Callable[[Any], Key], made: Callable[[Sequence[Any]], Sequence[Row]]
) -> Slice[Row]:
    """Return the answer to `page` from rows read in reading direction, one more than its size where there are more.

    On the side that was not read, a cursor that was given proves that there was a row: Relay lets a server answer from that.
    """
    more = len(rows) > page.size
    kept = rows[: page.size] if more else rows
    if page.backward:
        kept = kept[::-1]
        return Slice(made(kept), page.before is not None, more, kept, key_of)
    return Slice(made(kept), more, page.after is not None, kept, key_of)
