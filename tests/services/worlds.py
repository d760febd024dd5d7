"""What the services' tests have in common: counters against rows, and calls that are made at the same moment."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from app.domain.errors import FeedgraphError
from app.infra.database import Database

WRONG_COUNTERS = """
select 'likes_count of post ' || p.id from posts p where likes_count <> (select count(*) from likes where post_id = p.id)
union all select 'replies_count of post ' || p.id from posts p
    where replies_count <> (select count(*) from posts r where r.in_reply_to_id = p.id)
union all select 'posts_count of user ' || u.id from users u
    where posts_count <> (select count(*) from posts where author_id = u.id)
union all select 'followers_count of user ' || u.id from users u
    where followers_count <> (select count(*) from follows where followee_id = u.id)
union all select 'following_count of user ' || u.id from users u
    where following_count <> (select count(*) from follows where follower_id = u.id)
"""


async def wrong_counters(db: Database) -> list[str]:
    """Return the counters that differ from the rows they count."""
    return [row[0] for row in await db.fetch(WRONG_COUNTERS)]


async def at_once(calls: Iterable[Awaitable[Any]], *, within_s: float = 30) -> list[Any]:
    """Make all calls at the same moment; return their results and the domain's errors, in order. Other errors are raised."""
    async with asyncio.timeout(within_s):
        results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, FeedgraphError):
            raise result
    return results
