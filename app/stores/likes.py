"""The likes table: who likes which post."""

from collections.abc import Sequence
from typing import Any

from app.domain.paging import Page, Slice
from app.infra.database import Database
from app.stores import users
from app.stores.columns import Columns, selection
from app.stores.follows import key_of
from app.stores.keyset import keyset_args, keyset_of, slices


async def likers(db: Database, post_ids: Sequence[int], page: Page, columns: Columns = None) -> list[Slice[Any]]:
    """Return a page of the people who like each post, newest like first, then the higher id. One statement."""
    part, place = selection(users.TABLE, columns), keyset_of(page, ("l.created_at", "l.user_id"), first_arg=3)
    rows = await db.fetch(
        f"""
        select u.*, k.number from unnest($1::bigint[]) with ordinality k (id, number) cross join lateral (
            select {part.columns}, l.created_at as since, u.id as other_id from likes l join users u on u.id = l.user_id
            where l.post_id = k.id {place.where} order by {place.order_by} limit $2
        ) u
        """,
        post_ids,
        page.limit,
        *keyset_args(page),
    )
    return slices(page, post_ids, rows, part, key_of)


async def exist(db: Database, user_id: int, post_ids: Sequence[int]) -> list[bool]:
    """Say for each post whether the user likes it. One statement."""
    rows = await db.fetch("select post_id from likes where user_id = $1 and post_id = any($2)", user_id, post_ids)
    found = {row[0] for row in rows}
    return [post_id in found for post_id in post_ids]


async def add(db: Database, user_id: int, post_id: int) -> bool:
    """Like a post; return whether that is new. One statement.

    Raises:
        NotFound: there is no such post.
    """
    sql = "insert into likes (user_id, post_id) values ($1, $2) on conflict do nothing returning true"
    return bool(await db.fetchval(sql, user_id, post_id))


async def remove(db: Database, user_id: int, post_id: int) -> bool:
    """Take a like back; return whether there was one. One statement."""
    return bool(await db.fetchval("delete from likes where user_id = $1 and post_id = $2 returning true", user_id, post_id))
