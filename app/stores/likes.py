"""The likes table: who likes which post."""

from collections.abc import Sequence

from app.domain.models import User
from app.domain.paging import Page, Slice
from app.infra.database import Database
from app.stores.follows import after_number, key_of
from app.stores.keyset import keyset, slices
from app.stores.users import COLUMNS


async def likers(db: Database, post_ids: Sequence[int], page: Page) -> list[Slice[User]]:
    """Return a page of the people who like each post, newest like first, then the higher id. One statement."""
    part = keyset(page, ["l.created_at", "l.user_id"], first_arg=3)
    rows = await db.fetch(
        f"""
        select k.number, u.* from unnest($1::bigint[]) with ordinality k (id, number) cross join lateral (
            select l.created_at as since, {COLUMNS} from likes l join users u on u.id = l.user_id
            where l.post_id = k.id {part.where} order by {part.order_by} limit $2
        ) u
        """,
        post_ids,
        part.limit,
        *part.args,
    )
    return slices(page, post_ids, rows, after_number, key_of)


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
