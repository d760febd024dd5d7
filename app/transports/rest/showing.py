"""Things as resources, with the neighbours that a request asks for: a relation at one place is one batch, so one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from app.domain.models import Post, User
from app.domain.paging import Page, page_size
from app.services import relations
from app.services.context import RequestContext
from app.transports.resources import media_resource, post_resource, user_resource
from app.transports.rest.shapes import PostShape, Shape, UserShape

Row = dict[str, Any]


class Showing:
    """Shows things to one request's viewer; posts have at most `replies` replies with them."""

    def __init__(self, ctx: RequestContext, *, replies: int = 0) -> None:
        self._ctx = ctx
        self._replies = replies

    async def users(self, users: Sequence[User | None], shape: Shape) -> list[Row | None]:
        """Return people as resources, None where there is none."""
        present = [user for user in users if user is not None]
        rows = [shape.of(user_resource(user), "userId") for user in present]
        await self._add(rows, present, shape, {"viewer": self._follows})
        return spread(users, rows)

    async def posts(self, posts: Sequence[Post | None], shape: Shape) -> list[Row | None]:
        """Return posts as resources, None where there is none."""
        present = [post for post in posts if post is not None]
        rows = [shape.of(post_resource(post), "postId") for post in present]
        finders = {
            "author": self._authors,
            "inReplyTo": self._answered,
            "replies": self._answers,
            "media": self._media,
            "viewer": self._likes,
        }
        await self._add(rows, present, shape, finders)
        return spread(posts, rows)

    async def _add(
        self,
        rows: list[Row],
        things: list[Any],
        shape: Shape,
        finders: Mapping[str, Callable[[list[Any], Shape], Awaitable[Sequence[Row]]]],
    ) -> None:
        """Put the neighbours beside the keys of each row; those of one place are found at the same time."""
        if things:
            found = await asyncio.gather(*(finders[name](things, below) for name, below in shape.neighbours.items()))
            for row, *parts in zip(rows, *found, strict=True):
                for part in parts:
                    row.update(part)

    async def _authors(self, posts: list[Post], shape: Shape) -> list[Row]:
        authors = await self._ctx.loaders.ones(relations.POST_AUTHOR, posts)
        return [{"author": row} for row in await self.users(authors, shape)]

    async def _answered(self, posts: list[Post], shape: Shape) -> list[Row]:
        answered = await asyncio.gather(*(self._ctx.loaders.one(relations.POST_IN_REPLY_TO, post) for post in posts))
        return [{"inReplyTo": row} for row in await self.posts(answered, shape)]

    async def _answers(self, posts: list[Post], shape: Shape) -> list[Row]:
        page = Page(page_size(self._replies, largest=self._ctx.settings.max_page_size))
        lists = await asyncio.gather(*(self._ctx.loaders.many(relations.POST_REPLIES, post, page) for post in posts))
        rows = iter(await self.posts([reply for found in lists for reply in found.rows], shape))
        return [{"replies": [next(rows) for _ in found.rows]} for found in lists]

    async def _media(self, posts: list[Post], shape: Shape) -> list[Row]:
        load = self._ctx.loaders.many
        lists = await asyncio.gather(*(load(relations.POST_MEDIA, post, relations.ALL_MEDIA) for post in posts))
        return [{"media": [shape.of(media_resource(media), "mediaId") for media in found.rows]} for found in lists]

    async def _likes(self, posts: list[Post], _shape: Shape) -> list[Row]:
        return [{"viewerHasLiked": liked} for liked in await self._ctx.loaders.ones(relations.VIEWER_HAS_LIKED, posts)]

    async def _follows(self, users: list[User], _shape: Shape) -> list[Row]:
        there, back = await asyncio.gather(
            self._ctx.loaders.ones(relations.VIEWER_IS_FOLLOWING, users),
            self._ctx.loaders.ones(relations.VIEWER_IS_FOLLOWED_BY, users),
        )
        return [{"viewerIsFollowing": a, "viewerIsFollowedBy": b} for a, b in zip(there, back, strict=True)]


def spread(things: Sequence[Any], rows: list[Row]) -> list[Row | None]:
    """Return one row a thing, None where there is no thing."""
    left = iter(rows)
    return [None if thing is None else next(left) for thing in things]


def users_shown(ctx: RequestContext, query: UserShape) -> Callable[[Sequence[User | None]], Awaitable[list[Row | None]]]:
    """Return the function that shows people as a query string asks."""
    return lambda users: Showing(ctx).users(users, query.shape())


def posts_shown(ctx: RequestContext, query: PostShape) -> Callable[[Sequence[Post | None]], Awaitable[list[Row | None]]]:
    """Return the function that shows posts as a query string asks."""
    return lambda posts: Showing(ctx, replies=query.replies_first).posts(posts, query.shape())
