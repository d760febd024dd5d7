"""Home feeds, computed from the follows at read time."""

from app.domain.models import Post
from app.domain.paging import Page, Slice
from app.infra.database import Database
from app.stores.columns import selection
from app.stores.keyset import keyset_args, keyset_of, sliced
from app.stores.posts import COLUMNS, TABLE, key_of, visible


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
                p.in_reply_to_id is null or p.author_id = $1 or p.in_reply_to_author_id in ($1, p.author_id)
                or exists (select from follows f where f.follower_id = $1 and f.followee_id = p.in_reply_to_author_id)
            )
            order by {place.order_by} limit $2
        ) p order by {place.order_by} limit $2
        """,
        viewer_id,
        page.limit,
        *keyset_args(page),
    )
    return sliced(page, rows, part, key_of)
