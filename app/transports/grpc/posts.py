"""PostService: posts, replies and likes."""

import asyncio

from google.protobuf.empty_pb2 import Empty

from app import services
from app.domain.errors import InvalidInput, NotFound
from app.domain.ids import parse_id
from app.domain.models import UNCHANGED, Post
from app.services import relations
from app.services.context import RequestContext
from app.services.posts import LATEST, NO_SUCH_POST, Draft
from app.transports.grpc.messages import media_of, post_list, post_message, post_messages, user_list
from app.transports.grpc.requests import parse_ids, wished_page
from app.transports.grpc.stubs import posts_pb2, users_pb2
from app.transports.grpc.users import existing_user


async def get_posts_for_user(ctx: RequestContext, request: posts_pb2.UserRequest) -> posts_pb2.PostList:
    """Return a page of somebody's posts, newest first, without replies."""
    user = await existing_user(ctx, request.user_id)
    order = relations.USER_POSTS.order(user)
    found = await ctx.loaders.many(relations.USER_POSTS, user, wished_page(ctx, order, request.page))
    return await post_list(ctx, order, found, request)


async def get_latest_posts(ctx: RequestContext, request: posts_pb2.GetLatestPostsRequest) -> posts_pb2.PostList:
    """Return a page of everybody's posts, newest first."""
    found = await services.posts.latest(ctx, wished_page(ctx, LATEST, request.page))
    return await post_list(ctx, LATEST, found, request)


async def get_post(ctx: RequestContext, request: posts_pb2.GetPostRequest) -> posts_pb2.Post:
    """Return the post with this id."""
    post = await existing_post(ctx, request.post_id)
    [message] = await post_messages(ctx, [post], request)
    return message


async def get_posts(ctx: RequestContext, request: posts_pb2.GetPostsRequest) -> posts_pb2.PostBatch:
    """Return an entry for each id, in their order."""
    posts = await services.posts.batch(ctx, parse_ids(request.post_ids, field="post_ids"))
    messages = iter(await post_messages(ctx, [post for post in posts if post], request))
    entries = [
        posts_pb2.PostEntry(post_id=id_, post=next(messages) if post else None)
        for id_, post in zip(request.post_ids, posts, strict=True)
    ]
    return posts_pb2.PostBatch(entries=entries)


async def get_replies(ctx: RequestContext, request: posts_pb2.GetRepliesRequest) -> posts_pb2.ReplyBatch:
    """Return an entry for each id, in their order, each with a page of direct replies."""
    ids = parse_ids(request.post_ids, field="post_ids")
    if len(ids) > 1 and (request.page.HasField("after") or request.page.HasField("before")):
        raise InvalidInput("A cursor belongs to the replies of one post: ask for one post with it.", field="page")
    posts = await services.posts.batch(ctx, ids)
    entries = [reply_entry(ctx, request, *pair) for pair in zip(request.post_ids, posts, strict=True)]
    return posts_pb2.ReplyBatch(entries=await asyncio.gather(*entries))


async def reply_entry(
    ctx: RequestContext, request: posts_pb2.GetRepliesRequest, post_id: str, post: Post | None
) -> posts_pb2.ReplyEntry:
    """Return the replies to one post; those of all posts of a batch are read together."""
    if post is None:
        return posts_pb2.ReplyEntry(post_id=post_id)
    order = relations.POST_REPLIES.order(post)
    found = await ctx.loaders.many(relations.POST_REPLIES, post, wished_page(ctx, order, request.page))
    return posts_pb2.ReplyEntry(post_id=post_id, replies=await post_list(ctx, order, found, request))


async def get_likers(ctx: RequestContext, request: posts_pb2.GetLikersRequest) -> users_pb2.UserList:
    """Return a page of those who like a post, newest like first."""
    return await user_list(ctx, relations.POST_LIKERS, await existing_post(ctx, request.post_id), request.page)


async def create_post(ctx: RequestContext, request: posts_pb2.CreatePostRequest) -> posts_pb2.Post:
    """Write a post or a reply."""
    parent = parse_id(request.in_reply_to_id, field="in_reply_to_id") if request.HasField("in_reply_to_id") else None
    draft = Draft(
        content=request.content,
        title=request.title if request.HasField("title") else None,
        in_reply_to_id=parent,
        idempotency_key=request.idempotency_key if request.HasField("idempotency_key") else None,
        media_ids=tuple(parse_ids(request.media_ids, field="media_ids")),
    )
    post = await services.posts.create(ctx, draft)
    [media] = await media_of(ctx, [post], wanted=bool(request.media_ids))
    return post_message(post, media=media)


async def edit_post(ctx: RequestContext, request: posts_pb2.EditPostRequest) -> posts_pb2.Post:
    """Change a post of the viewer's own."""
    post = await services.posts.edit(
        ctx,
        id_of(request),
        content=request.content if request.HasField("content") else UNCHANGED,
        title=request.title if request.HasField("title") else UNCHANGED,
    )
    return post_message(post)


async def delete_post(ctx: RequestContext, request: posts_pb2.PostRequest) -> Empty:
    """Delete a post of the viewer's own."""
    await services.posts.delete(ctx, id_of(request))
    return Empty()


async def like_post(ctx: RequestContext, request: posts_pb2.PostRequest) -> posts_pb2.Post:
    """Like a post."""
    return post_message(await services.likes.add(ctx, id_of(request)))


async def unlike_post(ctx: RequestContext, request: posts_pb2.PostRequest) -> posts_pb2.Post:
    """Take a like back."""
    return post_message(await services.likes.remove(ctx, id_of(request)))


def id_of(request: posts_pb2.PostRequest | posts_pb2.EditPostRequest) -> int:
    """Return the id of the post that a request is about.

    Raises:
        InvalidInput: that is no id.
    """
    return parse_id(request.post_id, field="post_id")


async def existing_post(ctx: RequestContext, post_id: str) -> Post:
    """Return the post that a request names. One statement.

    Raises:
        InvalidInput: that is no id.
        NotFound: there is no such post that the viewer may see.
    """
    post = await services.posts.find(ctx, parse_id(post_id, field="post_id"))
    if post is None:
        raise NotFound(NO_SUCH_POST)
    return post
