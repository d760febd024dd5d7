"""Look-ups that all requests of a process share: nothing in them depends on who asks."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from app import stores
from app.infra.coalescing import Coalescing
from app.infra.database import Counts, Database
from app.stores.columns import Columns

KINDS_KEPT = 1_000  # sets of columns that are wanted together


class Lookups:
    """Users by their ids. Requests that want the same columns at the same time are answered by one statement."""

    def __init__(self, db: Database) -> None:
        self._db = db.counted(Counts())  # whoever asks counts the statement for itself
        self._users: OrderedDict[Columns, Coalescing[int]] = OrderedDict()

    async def users_by_ids(self, ids: Sequence[int], columns: Columns, counts: Counts) -> Sequence[Any]:
        """Return the users with these ids, None where there is none. One statement, perhaps shared."""
        kind = self._users.get(columns)
        if kind is None:
            kind = self._users[columns] = Coalescing(lambda keys: stores.users.by_ids(self._db, keys, columns))
            if len(self._users) > KINDS_KEPT:
                self._users.popitem(last=False)
        counts.statements += 1
        users = await kind.get(ids)
        counts.rows += len(users) - users.count(None)
        return users
