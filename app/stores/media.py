"""The media table: images, each of one post or waiting for one."""

from collections.abc import Sequence
from typing import Any

from app.domain.models import MOST_MEDIA, Media
from app.domain.paging import Key, Page, Slice
from app.infra.database import Database, Record
from app.stores import posts
from app.stores.columns import Columns, Table, in_order, selection
from app.stores.keyset import slices

TABLE = Table(Media, "m", {})
COLUMNS = selection(TABLE, None).columns
ALL = Page(MOST_MEDIA, peeks=False)  # a post has no more


def visible(viewer: str) -> str:
    """Return the SQL that says who sees an image `m`: whoever sees its post, and its owner; `viewer` as for `posts.visible`."""
    of_post = f"select from posts mp where mp.id = m.post_id and {posts.visible(viewer, 'mp')}"
    return f"(m.owner_id = {viewer} or exists ({of_post}))"


async def by_ids(db: Database, ids: Sequence[int], columns: Columns = None, *, viewer_id: int | None) -> list[Any]:
    """Return the images with these ids that the viewer may see, None for others. One statement."""
    part = selection(TABLE, columns)
    sql = f"select {part.columns}, m.id as key from media m where m.id = any($1) and {visible('$2')}"
    return in_order(ids, await db.fetch(sql, ids, viewer_id), part)


async def of_posts(db: Database, post_ids: Sequence[int], columns: Columns = None) -> list[Slice[Any]]:
    """Return all images of each post, in the order that its author gave them; who may see the post sees them. One statement."""
    part = selection(TABLE, columns)
    rows = await db.fetch(
        f"""
        select {part.columns}, m.position as place, k.number from unnest($1::bigint[]) with ordinality k (id, number)
        join media m on m.post_id = k.id order by k.number, m.position
        """,
        post_ids,
    )
    return slices(ALL, post_ids, rows, part, key_of)


def key_of(row: Record) -> Key:
    """Return an image's place among its post's."""
    return (row["place"],)


async def waiting(db: Database, owner_id: int) -> int:
    """Return how many images of somebody's wait for a post. One statement."""
    return int(await db.fetchval("select count(*) from media where owner_id = $1 and post_id is null", owner_id))


async def insert(
    db: Database,
    *,
    owner_id: int,
    alt: str | None,
    media_type: str,
    measures: tuple[int, int, int],
    file_id: int,
    thumbnail_id: int,
) -> Media:
    """Make an image that waits for a post; `measures` are width and height in pixels, and bytes. One statement."""
    row = await db.fetchrow(
        f"""
        insert into media as m (owner_id, alt, media_type, width, height, size, file_id, thumbnail_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8) returning {COLUMNS}
        """,
        owner_id,
        alt,
        media_type,
        *measures,
        file_id,
        thumbnail_id,
    )
    return Media(*row)  # type: ignore[misc]  # an insert that returns gives its row


async def attach(db: Database, ids: Sequence[int], *, post_id: int, owner_id: int) -> int:
    """Give those of somebody's images that wait to a post, in this order; return how many. One statement.

    They are locked in the order of their ids, so that two posts that want the same ones do not wait in a ring.
    """
    rows = await db.fetch(
        """
        with locked as (
            select id from media where id = any($1::bigint[]) and owner_id = $3 and post_id is null order by id for update
        )
        update media m set post_id = $2, position = k.number from locked, unnest($1::bigint[]) with ordinality k (id, number)
        where m.id = locked.id and k.id = m.id returning m.id
        """,
        ids,
        post_id,
        owner_id,
    )
    return len(rows)


async def owned(db: Database, ids: Sequence[int], owner_id: int) -> int:
    """Return how many of these images are somebody's. One statement."""
    return int(await db.fetchval("select count(*) from media where id = any($1) and owner_id = $2", ids, owner_id))


async def hold(db: Database, id_: int) -> int | None:
    """Keep an image from going before the transaction's end; return its file's id, None where it is gone. One statement."""
    file_id: int | None = await db.fetchval("select file_id from media where id = $1 for key share", id_)
    return file_id


async def delete_waiting(db: Database, *, ttl_s: int) -> None:
    """Remove images that have waited for a post for so long. One statement."""
    await db.execute("delete from media where post_id is null and created_at < now() - make_interval(secs => $1)", ttl_s)
