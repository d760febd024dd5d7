"""Connections that share what PostgreSQL told one of them about its types.

The driver knows no arrays by itself: each connection asks when it first meets one, by a recursive query that costs PostgreSQL as
much as opening three connections. What a built-in type is stays the same in every database, so a process asks once.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg

FIRST_OWN_OID = 16_384  # FirstNormalObjectId: types from here on are made by users, and may be others in another database

_told: dict[int, list[Any]] = {}  # what the driver was told about a built-in type and those that it is made of


class Connection(asyncpg.Connection):
    """The driver's connection, with its question about types answered from memory where the answer is known."""

    async def _introspect_types(
        self,
        typeoids: Iterable[int],
        timeout: float | None,  # noqa: ASYNC109  # the driver's signature
    ) -> tuple[list[Any], Any]:
        """Return what types are, and the statement that was asked: the driver prepares its own anew if that one has no name."""
        found: list[Any] = []
        asked: Any = SimpleNamespace(name="none was asked")
        own = [oid for oid in typeoids if oid >= FIRST_OWN_OID]
        for oid in set(typeoids).difference(own):
            if oid not in _told:
                _told[oid], asked = await super()._introspect_types([oid], timeout)  # type: ignore[misc]  # the driver's own
            found += _told[oid]
        if own:
            types, asked = await super()._introspect_types(own, timeout)  # type: ignore[misc]
            found += types
        return found, asked
