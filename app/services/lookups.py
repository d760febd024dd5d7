"""Look-ups that all requests of a process share: requests that want the same at the same time are answered by one statement.

Who asks is part of what is asked, where the answer depends on it.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from app import stores
from app.domain.shown import Text
from app.infra.coalescing import LARGEST_BATCH, Coalescing
from app.infra.database import Counts, Database
from app.stores.columns import Columns
from app.stores.rendering import Rendering

KINDS_KEPT = 1_000  # sets of columns, and texts, that are wanted together
Kind: TypeAlias = Columns | tuple[Rendering, tuple[int, ...]]


class Lookups:
    """Users by their ids, and whatever is written as JSON by its key."""

    def __init__(self, db: Database) -> None:
        self._db = db.counted(Counts())  # whoever asks counts the statement for itself
        self._kinds: OrderedDict[Kind, Coalescing[Any]] = OrderedDict()

    async def users_by_ids(self, ids: Sequence[int], columns: Columns, counts: Counts) -> Sequence[Any]:
        """Return the users with these ids, None where there is none. One statement, perhaps shared."""
        kind = self._kinds.get(columns)
        if kind is not None:
            self._kinds.move_to_end(columns)
        else:
            kind = self._new(columns, lambda keys: stores.users.by_ids(self._db, keys, columns), LARGEST_BATCH)
        counts.statements += 1
        users = await kind.get(ids)
        counts.rows += len(users) - users.count(None)
        return users

    async def rendered(
        self, rendering: Rendering, keys: Sequence[Any], viewer_id: int | None, sizes: tuple[int, ...], counts: Counts
    ) -> Sequence[Text | None]:
        """Return the text for each key, as the viewer may see it. One statement, perhaps shared with other viewers."""
        name = (rendering, sizes)
        kind = self._kinds.get(name)
        if kind is not None:
            self._kinds.move_to_end(name)
        else:

            async def fetch(wanted: Sequence[tuple[Any, int | None]]) -> Sequence[Text | None]:
                found, viewers = zip(*wanted, strict=True)
                return await stores.rendering.texts(self._db, rendering, found, viewers, sizes)

            kind = self._new(name, fetch, most_at_once(sizes))
        counts.statements += 1
        texts = await kind.get([(key, viewer_id) for key in keys])
        counts.rows += len(texts)
        return texts

    def _new(self, name: Kind, fetch: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]], largest: int) -> Coalescing[Any]:
        kind = self._kinds[name] = Coalescing(fetch, largest=largest)
        if len(self._kinds) > KINDS_KEPT:
            self._kinds.popitem(last=False)
        return kind


def most_at_once(sizes: tuple[int, ...]) -> int:
    """Return how many keys to put into one statement, by the sizes of the lists in their texts: many small ones, few large ones,
    which are better read side by side."""
    rows = 1
    for size in sizes:
        rows *= 1 + size
    return max(1, ROWS_AT_ONCE // rows)


ROWS_AT_ONCE = 1_000  # at most, in the texts of one statement
