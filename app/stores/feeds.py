"""Home feeds, computed from the follows at read time."""

from collections.abc import Sequence

from app.domain.models import Post
from app.domain.paging import Page, Slice
from app.infra.database import Database
from app.stores.columns import selection
from app.stores.keyset import keyset_args, keyset_of, sliced
from app.stores.posts import COLUMNS, TABLE, key_of, visible


def is_no_talk_of_others(viewer: str) -> str:
    """Return SQL that leaves out an author's replies to people whom the viewer does not know; `viewer` is their id as SQL."""
    return f"""
        p.in_reply_to_id is null or p.author_id = {viewer} or p.in_reply_to_author_id in ({viewer}, p.author_id)
        or exists (select from follows f where f.follower_id = {viewer} and f.followee_id = p.in_reply_to_author_id)
    """


async def home(db: Database, viewer_id: int, page: Page) -> Slice[Post]:
    """Return a page of the viewer's home feed, newest first. One statement.

    It holds the viewer's own posts and replies, the posts of the people they follow, and those people's replies to people whom
    the viewer knows: the viewer, somebody they follow, or the author (a thread). Of each author at most one page is read.
    """
    part, place = selection(TABLE, None), keyset_of(page, ("p.id",), first_arg=3)
    rows = await db.fetch(
        f"""
        select p.* from (
            select $1::bigint as id union all select followee_id from follows where follower_id = $1
        ) author cross join lateral (
            select {COLUMNS}, p.id as place from posts p
            where p.author_id = author.id and {visible("$1")} {place.where} and (
                {is_no_talk_of_others("$1")}
            )
            order by {place.order_by} limit $2
        ) p order by {place.order_by} limit $2
        """,
        viewer_id,
        page.limit,
        *keyset_args(page),
    )
    return sliced(page, rows, part, key_of)


async def readers(db: Database, post_id: int, viewer_ids: Sequence[int]) -> set[int]:
    """Return those of the viewers in whose home feed the post is. One statement."""
    rows = await db.fetch(
        f"""
        select v.id from unnest($2::bigint[]) v (id) join posts p on p.id = $1
        where {visible("v.id")} and ({is_no_talk_of_others("v.id")}) and (
            p.author_id = v.id or exists (select from follows f where f.follower_id = v.id and f.followee_id = p.author_id)
        )
        """,
        post_id,
        viewer_ids,
    )
    return {row[0] for row in rows}
