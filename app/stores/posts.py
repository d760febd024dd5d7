"""The posts table: top-level posts and replies."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.domain.models import UNCHANGED, Post, Unchanged
from app.domain.paging import Key, Page, Slice
from app.infra.database import Database, Record
from app.stores import users
from app.stores.columns import LARGEST_CACHE, Columns, Selection, Table, in_order, selection
from app.stores.keyset import Keyset, keyset_args, keyset_of, sliced, slices

TABLE = Table(Post, "p", {"author": (users.TABLE, "join users {joined} on {joined}.id = {row}.author_id")})
COLUMNS = selection(TABLE, None).columns


def visible(viewer: str, alias: str = "p") -> str:
    """Return the SQL twin of `domain.visibility.can_see`; `viewer` is the viewer's id as SQL, such as $2 (null: anonymous)."""
    return f"({alias}.hidden_at is null or {alias}.author_id = {viewer})"


def key_of(row: Record) -> Key:
    """Return a post's place in lists: newest first by id, for ids rise with time."""
    return (row["place"],)


async def by_ids(db: Database, ids: Sequence[int], columns: Columns = None, *, viewer_id: int | None) -> list[Any]:
    """Return the posts with these ids that the viewer may see, None for others. One statement."""
    part = selection(TABLE, columns)
    sql = f"select {part.columns}, p.id as key from posts p {part.joins} where p.id = any($1) and {visible('$2')}"
    rows = await db.fetch(sql, ids, viewer_id)
    return in_order(ids, rows, part)


async def all_by_ids(db: Database, ids: Sequence[int]) -> list[Post | None]:
    """Return the posts with these ids, hidden ones too; whoever shows one asks `domain.visibility` first. One statement."""
    found = {row["id"]: Post(*row) for row in await db.fetch(f"select {COLUMNS} from posts p where p.id = any($1)", ids)}
    return [found.get(id_) for id_ in ids]


async def by_authors(
    db: Database, author_ids: Sequence[int], page: Page, columns: Columns = None, *, viewer_id: int | None
) -> list[Slice[Any]]:
    """Return a page of each author's top-level posts, newest first. One statement."""
    return await _pages(db, "p.author_id = k.id and p.in_reply_to_id is null", author_ids, page, columns, viewer_id)


async def replies(
    db: Database, post_ids: Sequence[int], page: Page, columns: Columns = None, *, viewer_id: int | None
) -> list[Slice[Any]]:
    """Return a page of each post's direct replies, newest first. One statement."""
    return await _pages(db, "p.in_reply_to_id = k.id", post_ids, page, columns, viewer_id)


async def _pages(
    db: Database, which: str, keys: Sequence[int], page: Page, columns: Columns, viewer_id: int | None
) -> list[Slice[Any]]:
    part, place = selection(TABLE, columns), keyset_of(page, ("p.id",), first_arg=4)
    sql = _pages_sql(which, part, place)
    rows = await db.fetch(sql, keys, viewer_id, page.limit, *keyset_args(page))
    return slices(page, keys, rows, part, key_of)


@lru_cache(maxsize=LARGEST_CACHE)
def _pages_sql(which: str, part: Selection, place: Keyset) -> str:
    return f"""
        select p.*, k.number from unnest($1::bigint[]) with ordinality k (id, number) cross join lateral (
            select {part.columns}, p.id as place from posts p {part.joins}
            where {which} and {visible("$2")} {place.where} order by {place.order_by} limit $3
        ) p
        """


async def latest(db: Database, page: Page, *, viewer_id: int | None) -> Slice[Post]:
    """Return a page of everybody's posts, replies included, newest first. One statement."""
    part, place = selection(TABLE, None), keyset_of(page, ("p.id",), first_arg=3)
    rows = await db.fetch(
        f"select {COLUMNS}, p.id as place from posts p where {visible('$1')} {place.where} order by {place.order_by} limit $2",
        viewer_id,
        page.limit,
        *keyset_args(page),
    )
    return sliced(page, rows, part, key_of)


async def new_id(db: Database) -> int:
    """Return an id for a post to be. One statement."""
    return int(await db.fetchval("select next_id()"))


async def insert(
    db: Database, *, id_: int, author_id: int, content: str, title: str | None, parent: tuple[int, int] | None
) -> Post:
    """Make a post with the id; `parent` is id and author of the post that it answers. One statement."""
    row = await db.fetchrow(
        f"""
        insert into posts as p (id, author_id, content, title, in_reply_to_id, in_reply_to_author_id)
        values ($1, $2, $3, $4, $5, $6) returning {COLUMNS}
        """,
        id_,
        author_id,
        content,
        title,
        *(parent or (None, None)),
    )
    return Post(*row)  # type: ignore[misc]  # an insert that returns gives its row


async def add_reply_to(db: Database, post_id: int, *, viewer_id: int) -> Post | None:
    """Count one more reply to a post that the viewer may see; return it, or None without a post. One statement."""
    sql = f"update posts p set replies_count = replies_count + 1 where p.id = $1 and {visible('$2')} returning {COLUMNS}"
    row = await db.fetchrow(sql, post_id, viewer_id)
    return Post(*row) if row else None


async def remove_reply_from(db: Database, post_id: int) -> Post | None:
    """Count one reply less; return the post, None where it is gone. One statement."""
    row = await db.fetchrow(f"update posts p set replies_count = replies_count - 1 where p.id = $1 returning {COLUMNS}", post_id)
    return Post(*row) if row else None


async def lock(db: Database, post_id: int, *, viewer_id: int) -> bool:
    """Keep others from changing or deleting a post until the transaction ends; return whether the viewer sees it. One statement.

    Whoever will count something on a post locks it first: taking a share of it (as a like's foreign key does) and then more would
    make a ring with a deletion that waits between the two.
    """
    sql = f"select true from posts p where p.id = $1 and {visible('$2')} for no key update"
    return bool(await db.fetchval(sql, post_id, viewer_id))


async def add_to_likes_count(db: Database, post_id: int, change: int) -> None:
    """Keep the counter equal to the post's likes. One statement."""
    await db.execute("update posts set likes_count = likes_count + $2 where id = $1", post_id, change)


async def update(
    db: Database, id_: int, *, author_id: int, content: str | Unchanged, title: str | Unchanged | None
) -> Post | None:
    """Change a post of this author; return it, None where there is no such post. One statement."""
    row = await db.fetchrow(
        f"""
        update posts p set
            content = case when $3 then $4 else content end, title = case when $5 then $6 else title end, edited_at = now_ms()
        where p.id = $1 and p.author_id = $2 returning {COLUMNS}
        """,
        id_,
        author_id,
        content is not UNCHANGED,
        content if content is not UNCHANGED else None,
        title is not UNCHANGED,
        title if title is not UNCHANGED else None,
    )
    return Post(*row) if row else None


async def delete(db: Database, id_: int, *, author_id: int) -> Post | None:
    """Remove a post of this author, with its likes; return what it was. One statement."""
    row = await db.fetchrow(f"delete from posts p where p.id = $1 and p.author_id = $2 returning {COLUMNS}", id_, author_id)
    return Post(*row) if row else None


async def set_hidden(db: Database, id_: int, *, hidden: bool) -> Post | None:
    """Hide a post from everybody but its author, or show it again; return it, None without a post. One statement."""
    row = await db.fetchrow(
        f"update posts p set hidden_at = case when $2 then coalesce(hidden_at, now_ms()) end where p.id = $1 returning {COLUMNS}",
        id_,
        hidden,
    )
    return Post(*row) if row else None
