"""Messages: the protobuf forms of the nouns and of their pages."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from app.domain.models import Job, Media, Post, User
from app.domain.paging import Order, Slice
from app.domain.times import millis
from app.services import relations
from app.services.context import RequestContext
from app.services.relations import Many
from app.transports.grpc.requests import wished_page
from app.transports.grpc.stubs import media_pb2, pages_pb2, posts_pb2, users_pb2

Parent = TypeVar("Parent")


def timestamp(moment: datetime) -> Timestamp:
    """Return a time as a message, in whole milliseconds as on every face."""
    message = Timestamp()
    message.FromMilliseconds(millis(moment))
    return message


def user_message(user: User) -> users_pb2.User:
    """Return a user as a message."""
    return users_pb2.User(
        user_id=str(user.id),
        username=user.username,
        name=user.name,
        bio=user.bio,
        avatar_url=user.avatar_url,
        created_at=timestamp(user.created_at),
        followers_count=user.followers_count,
        following_count=user.following_count,
        posts_count=user.posts_count,
    )


def media_message(media: Media) -> media_pb2.Media:
    """Return an image as a message."""
    return media_pb2.Media(
        media_id=str(media.id),
        post_id=str(media.post_id) if media.post_id else None,
        url=media.url,
        thumbnail_url=media.thumbnail_url,
        type=media.media_type,
        width=media.width,
        height=media.height,
        size=media.size,
        alt=media.alt,
        created_at=timestamp(media.created_at),
    )


def post_message(post: Post, author: User | None = None, media: Sequence[Media] = ()) -> posts_pb2.Post:
    """Return a post as a message, with its author and its images where they are given."""
    return posts_pb2.Post(
        post_id=str(post.id),
        title=post.title,
        content=post.content,
        author_id=str(post.author_id),
        created_at=timestamp(post.created_at),
        edited_at=timestamp(post.edited_at) if post.edited_at else None,
        in_reply_to_id=str(post.in_reply_to_id) if post.in_reply_to_id else None,
        likes_count=post.likes_count,
        replies_count=post.replies_count,
        reposts_count=post.reposts_count,
        author=user_message(author) if author else None,
        media=map(media_message, media),
    )


class Wish(Protocol):
    """What a request wants to see beside posts."""

    with_author: bool
    with_media: bool


async def post_messages(ctx: RequestContext, posts: Sequence[Post], wish: Wish) -> list[posts_pb2.Post]:
    """Return posts as messages; their authors and images, where they are wanted, are read together. One statement for each."""
    authors, media = await asyncio.gather(
        authors_of(ctx, posts, wanted=wish.with_author), media_of(ctx, posts, wanted=wish.with_media)
    )
    return [post_message(*parts) for parts in zip(posts, authors, media, strict=True)]


async def authors_of(ctx: RequestContext, posts: Sequence[Post], *, wanted: bool) -> list[User | None]:
    """Return the author of each post, None where they are not wanted. One statement."""
    return await ctx.loaders.ones(relations.POST_AUTHOR, posts) if wanted else [None] * len(posts)


async def media_of(ctx: RequestContext, posts: Sequence[Post], *, wanted: bool) -> list[Sequence[Media]]:
    """Return the images of each post, nothing where they are not wanted. One statement."""
    if not wanted:
        return [()] * len(posts)
    load = ctx.loaders.many
    lists = await asyncio.gather(*(load(relations.POST_MEDIA, post, relations.ALL_MEDIA) for post in posts))
    return [found.rows for found in lists]


async def post_list(ctx: RequestContext, order: Order, found: Slice[Post], wish: Wish) -> posts_pb2.PostList:
    """Return a page of posts as a message."""
    return posts_pb2.PostList(posts=await post_messages(ctx, found.rows, wish), page_info=page_info(order, found))


async def user_list(
    ctx: RequestContext, relation: Many[Parent, User], parent: Parent, wish: pages_pb2.Page
) -> users_pb2.UserList:
    """Return a page of the people that a relation of the parent gives. One statement."""
    order = relation.order(parent)
    found = await ctx.loaders.many(relation, parent, wished_page(ctx, order, wish))
    return users_pb2.UserList(users=[user_message(user) for user in found.rows], page_info=page_info(order, found))


def page_info(order: Order, found: Slice[Post] | Slice[User] | Slice[Job]) -> pages_pb2.PageInfo:
    """Return what lies around a page."""
    ends = [order.encode(key) for key in (found.keys[0], found.keys[-1])] if found.keys else [None, None]
    return pages_pb2.PageInfo(
        has_next_page=found.has_next, has_previous_page=found.has_previous, start_cursor=ends[0], end_cursor=ends[1]
    )
