"""Every relation of the graph, declared once: the parent's key, and the fetch that answers many keys with one statement.

The GraphQL fields, REST's lists and whatever executes a query by plan are made from these declarations.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app import stores
from app.domain.models import Post, User
from app.domain.paging import Order, Page, Slice

if TYPE_CHECKING:  # the context holds the loaders, which are made from these declarations
    from app.services.context import RequestContext

Parent = TypeVar("Parent")
Result = TypeVar("Result")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, eq=False)
class One(Generic[Parent, Result]):
    """A relation to one thing or one fact. `key` gives None where the parent has none."""

    name: str
    key: Callable[[Parent], Any]
    fetch: Callable[["RequestContext", Sequence[Any]], Awaitable[Sequence[Result]]]


@dataclass(frozen=True, slots=True, eq=False)
class Many(Generic[Parent, Row]):
    """A relation to a list in a fixed order, read a page at a time."""

    name: str
    key: Callable[[Parent], int]
    fetch: Callable[["RequestContext", Sequence[int], Page], Awaitable[Sequence[Slice[Row]]]]
    key_parts: int  # integers in the sort key: 1 for an id, 2 for a time and an id

    def order(self, parent: Parent) -> Order:
        """Return the order of this parent's list, which its cursors carry."""
        return Order(self.name, self.key_parts, str(self.key(parent)))


async def users_by_ids(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[User | None]:
    """Fetch users. One statement."""
    return await stores.users.by_ids(ctx.db, ids)


async def users_by_usernames(ctx: "RequestContext", usernames: Sequence[str]) -> Sequence[User | None]:
    """Fetch users by name. One statement."""
    return await stores.users.by_usernames(ctx.db, usernames)


async def posts_by_ids(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[Post | None]:
    """Fetch the posts that the viewer may see. One statement."""
    return await stores.posts.by_ids(ctx.db, ids, viewer_id=ctx.viewer_id)


async def _nodes_by_ids(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[User | Post | None]:
    return await stores.nodes.by_ids(ctx.db, ids, viewer_id=ctx.viewer_id)


async def _posts_of_authors(ctx: "RequestContext", ids: Sequence[int], page: Page) -> Sequence[Slice[Post]]:
    return await stores.posts.by_authors(ctx.db, ids, page, viewer_id=ctx.viewer_id)


async def _replies(ctx: "RequestContext", ids: Sequence[int], page: Page) -> Sequence[Slice[Post]]:
    return await stores.posts.replies(ctx.db, ids, page, viewer_id=ctx.viewer_id)


async def _followers(ctx: "RequestContext", ids: Sequence[int], page: Page) -> Sequence[Slice[User]]:
    return await stores.follows.followers(ctx.db, ids, page)


async def _following(ctx: "RequestContext", ids: Sequence[int], page: Page) -> Sequence[Slice[User]]:
    return await stores.follows.following(ctx.db, ids, page)


async def _likers(ctx: "RequestContext", ids: Sequence[int], page: Page) -> Sequence[Slice[User]]:
    return await stores.likes.likers(ctx.db, ids, page)


async def _viewer_follows(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.follows.exist(ctx.db, [(ctx.viewer_id, id_) for id_ in ids])


async def _follow_viewer(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.follows.exist(ctx.db, [(id_, ctx.viewer_id) for id_ in ids])


async def _viewer_likes(ctx: "RequestContext", ids: Sequence[int]) -> Sequence[bool]:
    if ctx.viewer_id is None:
        return [False] * len(ids)
    return await stores.likes.exist(ctx.db, ctx.viewer_id, ids)


def _id(thing: User | Post) -> int:
    return thing.id


# From an id to the thing: the roots of a query.
USER: One[int, User | None] = One("user", int, users_by_ids)
USER_BY_NAME: One[str, User | None] = One("userByName", str, users_by_usernames)
POST: One[int, Post | None] = One("post", int, posts_by_ids)
NODE: One[int, User | Post | None] = One("node", int, _nodes_by_ids)

# From a thing to its neighbours.
POST_AUTHOR: One[Post, User | None] = One("post.author", lambda post: post.author_id, users_by_ids)
POST_IN_REPLY_TO: One[Post, Post | None] = One("post.inReplyTo", lambda post: post.in_reply_to_id, posts_by_ids)
POST_REPLIES: Many[Post, Post] = Many("post.replies", _id, _replies, key_parts=1)
POST_LIKERS: Many[Post, User] = Many("post.likers", _id, _likers, key_parts=2)
USER_POSTS: Many[User, Post] = Many("user.posts", _id, _posts_of_authors, key_parts=1)
USER_FOLLOWERS: Many[User, User] = Many("user.followers", _id, _followers, key_parts=2)
USER_FOLLOWING: Many[User, User] = Many("user.following", _id, _following, key_parts=2)

# Between a thing and the viewer.
VIEWER_IS_FOLLOWING: One[User, bool] = One("user.viewerIsFollowing", _id, _viewer_follows)
VIEWER_IS_FOLLOWED_BY: One[User, bool] = One("user.viewerIsFollowedBy", _id, _follow_viewer)
VIEWER_HAS_LIKED: One[Post, bool] = One("post.viewerHasLiked", _id, _viewer_likes)
