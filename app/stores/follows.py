"""The follows table: who follows whom."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.domain.paging import Key, Page, Slice
from app.domain.times import millis
from app.infra.database import Database, Record
from app.stores import users
from app.stores.columns import LARGEST_CACHE, Columns, Selection, selection
from app.stores.keyset import Keyset, keyset_args, keyset_of, slices


def key_of(row: Record) -> Key:
    """Return a person's place in lists: newest follow first, then the higher id."""
    return (millis(row["since"]), row["other_id"])


async def followers(db: Database, user_ids: Sequence[int], page: Page, columns: Columns = None) -> list[Slice[Any]]:
    """Return a page of each user's followers, newest first. One statement."""
    return await _pages(db, "followee_id", "follower_id", user_ids, page, columns)


async def following(db: Database, user_ids: Sequence[int], page: Page, columns: Columns = None) -> list[Slice[Any]]:
    """Return a page of the people each user follows, newest first. One statement."""
    return await _pages(db, "follower_id", "followee_id", user_ids, page, columns)


async def _pages(db: Database, key: str, other: str, user_ids: Sequence[int], page: Page, columns: Columns) -> list[Slice[Any]]:
    part, place = selection(users.TABLE, columns), keyset_of(page, ("f.created_at", f"f.{other}"), first_arg=3)
    rows = await db.fetch(_pages_sql(key, other, part, place), user_ids, page.limit, *keyset_args(page))
    return slices(page, user_ids, rows, part, key_of)


@lru_cache(maxsize=LARGEST_CACHE)
def _pages_sql(key: str, other: str, part: Selection, place: Keyset) -> str:
    return f"""
        select u.*, k.number from unnest($1::bigint[]) with ordinality k (id, number) cross join lateral (
            select {part.columns}, f.created_at as since, u.id as other_id from follows f join users u on u.id = f.{other}
            where f.{key} = k.id {place.where} order by {place.order_by} limit $2
        ) u
        """


async def exist(db: Database, pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Say for each pair whether the first user follows the second. One statement."""
    rows = await db.fetch(
        """
        select follower_id, followee_id from follows
        join unnest($1::bigint[], $2::bigint[]) wanted (a, b) on follower_id = a and followee_id = b
        """,
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )
    found = {(row[0], row[1]) for row in rows}
    return [pair in found for pair in pairs]


async def add(db: Database, follower_id: int, followee_id: int) -> bool:
    """Follow; return whether that is new. One statement.

    Raises:
        NotFound: there is no such user.
    """
    sql = "insert into follows (follower_id, followee_id) values ($1, $2) on conflict do nothing returning true"
    return bool(await db.fetchval(sql, follower_id, followee_id))


async def remove(db: Database, follower_id: int, followee_id: int) -> bool:
    """Unfollow; return whether there was something to end. One statement."""
    sql = "delete from follows where follower_id = $1 and followee_id = $2 returning true"
    return bool(await db.fetchval(sql, follower_id, followee_id))


async def all_followed(db: Database, user_id: int) -> set[int]:
    """Return everybody whom the user follows. One statement."""
    return {row[0] for row in await db.fetch("select followee_id from follows where follower_id = $1", user_id)}
