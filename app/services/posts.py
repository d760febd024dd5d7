"""Posts and replies: writing, changing, removing and reading them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app import stores
from app.domain import text
from app.domain.errors import Conflict, Forbidden, IdempotencyMismatch, InvalidInput, NotFound
from app.domain.events import EventType, NewEvent, about_post
from app.domain.models import UNCHANGED, Post, Unchanged
from app.domain.paging import Order, Page, Slice
from app.infra import event_log
from app.infra.database import Database
from app.services import media, relations
from app.services.context import RequestContext
from app.services.reads import LATEST_POSTS
from app.services.users import at_most

NO_SUCH_POST = "There is no such post, or it is hidden from you."
LATEST = Order("latest", 1, "")


@dataclass(frozen=True, slots=True)
class Draft:
    """A post to be. Texts are as typed; `idempotency_key` lets a client repeat a request without a second post."""

    content: str
    title: str | None = None
    in_reply_to_id: int | None = None
    idempotency_key: str | None = None
    media_ids: Sequence[int] = ()

    def checked(self) -> "Draft":
        """Return the draft in the form in which it is kept.

        Raises:
            InvalidInput: a text is blank, too long, or holds what cannot be stored; there are too many images.
        """
        return Draft(
            content=text.paragraph(self.content, field="content", longest=text.CONTENT_LENGTH),
            title=checked_title(self.title),
            in_reply_to_id=self.in_reply_to_id,
            idempotency_key=text.idempotency_key(self.idempotency_key) if self.idempotency_key is not None else None,
            media_ids=media.checked_ids(self.media_ids),
        )

    def fingerprint(self) -> bytes:
        """Return a hash of what is asked for, to tell a repeated request from another one with the same key."""
        asked = [self.content, self.title, self.in_reply_to_id, *([list(self.media_ids)] if self.media_ids else [])]
        return hashlib.sha256(json.dumps(asked).encode()).digest()


def checked_title(title: str | None) -> str | None:
    """Return a title in the form in which it is kept; an empty one is none."""
    if title is None or not title.strip():
        return None
    return text.line(title, field="title", longest=text.TITLE_LENGTH)


async def find(ctx: RequestContext, id_: int) -> Post | None:
    """Return the post, None where there is none that the viewer may see."""
    return await ctx.loaders.one(relations.POST, id_)


async def batch(ctx: RequestContext, ids: Sequence[int]) -> list[Post | None]:
    """Return the posts with these ids; None where there is none that the viewer may see. One statement.

    Raises:
        InvalidInput: there are more ids than one call may ask for.
    """
    at_most(ctx, ids)
    return await ctx.loaders.ones(relations.POST, ids)


async def latest(ctx: RequestContext, page: Page) -> Slice[Post]:
    """Return a page of everybody's posts, replies included, newest first. One statement."""
    found = await stores.posts.latest(ctx.db, page, viewer_id=ctx.sees_as)
    if ctx.reads:
        ctx.reads.lists([LATEST_POSTS], [found], "Post")
    return found


def home_order(ctx: RequestContext) -> Order:
    """Return the order of the viewer's home feed.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    return Order("home", 1, str(ctx.signed_in().user_id))


async def home(ctx: RequestContext, page: Page) -> Slice[Post]:
    """Return a page of the viewer's home feed, newest first. One statement.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    return await stores.feeds.home(ctx.db, ctx.signed_in().user_id, page)


async def create(ctx: RequestContext, draft: Draft) -> Post:
    """Write a post or a reply. With an idempotency key that was used before, return the post that it made then.

    Raises:
        Unauthenticated: the request is anonymous.
        InvalidInput: a text is not acceptable.
        NotFound: there is no such post to reply to, or no such image of the viewer's.
        IdempotencyMismatch: the key came with another post before.
        Conflict: another request with the key is running, or an image is in a post already.
    """
    viewer_id, draft = ctx.signed_in().user_id, draft.checked()
    async with ctx.db.transaction() as db:
        id_ = await stores.posts.new_id(db)
        earlier = await _claim(ctx, db, draft, id_)
        if earlier is not None:
            return await _again(ctx, db, earlier)
        post = await _insert(db, draft, id_, viewer_id)
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return post


async def _insert(db: Database, draft: Draft, id_: int, viewer_id: int) -> Post:
    parent = None
    if draft.in_reply_to_id is not None:
        parent = await stores.posts.add_reply_to(db, draft.in_reply_to_id, viewer_id=viewer_id)
        if parent is None:
            raise NotFound("There is no such post to reply to, or it is hidden from you.")
    answered = (parent.id, parent.author_id) if parent else None
    post = await stores.posts.insert(db, id_=id_, author_id=viewer_id, content=draft.content, title=draft.title, parent=answered)
    await media.attach(db, draft.media_ids, post_id=id_, owner_id=viewer_id)
    await stores.users.add_to_posts_count(db, viewer_id, 1)
    await event_log.append(db, about_post(EventType.POST_CREATED, post), *recounted(parent))
    return post


async def _claim(ctx: RequestContext, db: Database, draft: Draft, id_: int) -> int | None:
    """Return the post that an earlier request with the key made, None where this is the first."""
    key, user_id = draft.idempotency_key, ctx.signed_in().user_id
    if key is None:
        return None
    if not await stores.idempotency.hold(db, user_id=user_id, key=key):
        raise Conflict("A request with this idempotency key is running right now: ask again in a moment.")
    earlier = await stores.idempotency.claim(
        db,
        user_id=user_id,
        key=key,
        request_hash=draft.fingerprint(),
        post_id=id_,
        ttl_s=ctx.settings.idempotency_ttl_s,
    )
    if earlier is None:
        return None
    post_id, request_hash = earlier
    if request_hash != draft.fingerprint():
        raise IdempotencyMismatch
    return post_id


async def _again(ctx: RequestContext, db: Database, post_id: int) -> Post:
    post: Post | None
    [post] = await stores.posts.by_ids(db, [post_id], viewer_id=ctx.viewer_id)
    if post is None:
        raise NotFound("The post that this idempotency key made has been deleted since.")
    return post


async def edit(
    ctx: RequestContext, id_: int, *, content: str | Unchanged = UNCHANGED, title: str | Unchanged | None = UNCHANGED
) -> Post:
    """Change a post of the viewer's own.

    Raises:
        Unauthenticated: the request is anonymous.
        InvalidInput: a text is not acceptable, or there is nothing to change.
        NotFound, Forbidden: there is no such post; it is somebody else's.
    """
    viewer_id = ctx.signed_in().user_id
    if content is UNCHANGED and title is UNCHANGED:
        raise InvalidInput("Nothing to change: give content or title.", field="content")
    if content is not UNCHANGED:
        content = text.paragraph(content, field="content", longest=text.CONTENT_LENGTH)
    if title is not UNCHANGED:
        title = checked_title(title)
    async with ctx.db.transaction() as db:
        post = await stores.posts.update(db, id_, author_id=viewer_id, content=content, title=title)
        if post is None:
            raise await _why_not(db, id_, viewer_id)
        await event_log.append(db, about_post(EventType.POST_EDITED, post))
    ctx.resources.relay.wake()
    ctx.loaders.clear()
    return post


async def delete(ctx: RequestContext, id_: int) -> None:
    """Remove a post of the viewer's own, with its likes and images; replies to it stay.

    Raises:
        Unauthenticated: the request is anonymous.
        NotFound, Forbidden: there is no such post; it is somebody else's.
    """
    viewer_id = ctx.signed_in().user_id
    async with ctx.db.transaction() as db:
        post = await stores.posts.delete(db, id_, author_id=viewer_id)
        if post is None:
            raise await _why_not(db, id_, viewer_id)
        parent = None
        if post.in_reply_to_id is not None:
            parent = await stores.posts.remove_reply_from(db, post.in_reply_to_id)
        await stores.users.add_to_posts_count(db, viewer_id, -1)
        gone = replace(post, title=None, content="")  # the log does not keep what was to go away
        await event_log.append(db, about_post(EventType.POST_DELETED, gone), *recounted(parent))
    ctx.resources.relay.wake()
    ctx.loaders.clear()


async def hide(db: Database, id_: int, *, hidden: bool) -> None:
    """Hide a post from everybody but its author, or show it again: a moderator's act, from the command line.

    Raises:
        NotFound: there is no such post.
    """
    async with db.transaction() as tx:
        post = await stores.posts.set_hidden(tx, id_, hidden=hidden)
        if post is None:
            raise NotFound(f"There is no post {id_}.")
        await event_log.append(tx, about_post(EventType.POST_HIDDEN if hidden else EventType.POST_EDITED, post))


async def _why_not(db: Database, id_: int, viewer_id: int) -> NotFound | Forbidden:
    [post] = await stores.posts.by_ids(db, [id_], viewer_id=viewer_id)
    return NotFound(NO_SUCH_POST) if post is None else Forbidden("Only its author can change or delete a post.")


def recounted(post: Post | None) -> list[NewEvent]:
    """Return the event that tells of a post's new counters; none without a post."""
    return [about_post(EventType.POST_COUNTERS, post)] if post else []
