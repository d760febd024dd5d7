"""Likes."""

from app import stores
from app.domain.errors import NotFound
from app.domain.events import EventType, about_post
from app.domain.models import Post
from app.infra import event_log
from app.infra.database import Database
from app.services.context import RequestContext
from app.services.posts import NO_SUCH_POST


async def add(ctx: RequestContext, post_id: int) -> Post:
    """Like a post; a second time changes nothing.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such post that the viewer may see.
    """
    viewer_id = ctx.signed_in().user_id
    async with ctx.db.transaction() as db:
        if not await stores.posts.lock(db, post_id, viewer_id=viewer_id):
            raise NotFound(NO_SUCH_POST)
        is_new = await stores.likes.add(db, viewer_id, post_id)
        post = await _counted(db, post_id, viewer_id, 1 if is_new else 0)
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return post


async def remove(ctx: RequestContext, post_id: int) -> Post:
    """Take a like back; where there is none, nothing changes.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such post that the viewer may see.
    """
    viewer_id = ctx.signed_in().user_id
    async with ctx.db.transaction() as db:
        if not await stores.posts.lock(db, post_id, viewer_id=viewer_id):
            raise NotFound(NO_SUCH_POST)
        is_gone = await stores.likes.remove(db, viewer_id, post_id)
        post = await _counted(db, post_id, viewer_id, -1 if is_gone else 0)
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return post


async def _counted(db: Database, post_id: int, viewer_id: int, change: int) -> Post:
    """Count likes more or less; return the post as it is then."""
    post: Post | None
    if change:
        await stores.posts.add_to_likes_count(db, post_id, change)
    [post] = await stores.posts.by_ids(db, [post_id], viewer_id=viewer_id)
    if post is None:
        raise NotFound(NO_SUCH_POST)
    if change:
        await event_log.append(db, about_post(EventType.POST_COUNTERS, post))
    return post
