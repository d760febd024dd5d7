"""Follows."""

from app import stores
from app.domain.errors import InvalidInput, NotFound
from app.domain.events import EventType, about_user
from app.domain.models import User
from app.infra import event_log
from app.infra.database import Database
from app.services.context import RequestContext


async def add(ctx: RequestContext, user_id: int) -> User:
    """Follow somebody; a second time changes nothing. Return the person followed.

    Raises:
        Unauthenticated: the request is anonymous.
        InvalidInput: the viewer would follow themselves.
        NotFound: there is no such user.
    """
    viewer_id = ctx.signed_in().user_id
    if user_id == viewer_id:
        raise InvalidInput("You cannot follow yourself.", field="id")
    async with ctx.db.transaction() as db:
        await _existing(db, user_id)
        if await stores.follows.add(db, viewer_id, user_id):
            await _count(db, viewer_id, user_id, 1)
        user = await _existing(db, user_id)
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return user


async def remove(ctx: RequestContext, user_id: int) -> User:
    """Stop following somebody; where there is nothing to stop, nothing changes. Return that person.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound: there is no such user.
    """
    viewer_id = ctx.signed_in().user_id
    async with ctx.db.transaction() as db:
        if await stores.follows.remove(db, viewer_id, user_id):
            await _count(db, viewer_id, user_id, -1)
        user = await _existing(db, user_id)
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return user


async def _count(db: Database, follower_id: int, followee_id: int, change: int) -> None:
    await stores.users.add_to_follow_counts(db, follower_id=follower_id, followee_id=followee_id, change=change)
    await event_log.append(db, *(about_user(EventType.USER_CHANGED, user_id) for user_id in (follower_id, followee_id)))


async def _existing(db: Database, user_id: int) -> User:
    user: User | None
    [user] = await stores.users.by_ids(db, [user_id])
    if user is None:
        raise NotFound("There is no such user.")
    return user
