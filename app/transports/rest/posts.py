"""Posts and the home feed as resources."""

from typing import Any

from aiohttp import web

from app import services
from app.domain.errors import InvalidInput, NotFound
from app.domain.ids import parse_id
from app.domain.models import Post
from app.services import relations
from app.services.context import RequestContext
from app.services.posts import NO_SUCH_POST, Draft
from app.transports.exchange import authenticated, json_body, to_the_end
from app.transports.resources import post_resource
from app.transports.rest.answers import page_response, resource_response, wished_page, within

IDEMPOTENCY_HEADER = "Idempotency-Key"


async def get(request: web.Request) -> web.Response:
    """GET /posts/{id}."""
    post = await existing(await authenticated(request), request)
    return resource_response(request, post_resource(post))


async def replies(request: web.Request) -> web.Response:
    """GET /posts/{id}/replies: direct replies, newest first."""
    ctx = await authenticated(request)
    post = await existing(ctx, request)
    order = relations.POST_REPLIES.order(post)
    page = wished_page(request, ctx, order)
    return page_response(request, order, page, await ctx.loaders.many(relations.POST_REPLIES, post, page), post_resource)


async def feed(request: web.Request) -> web.Response:
    """GET /feed: the viewer's home feed, newest first."""
    ctx = await authenticated(request)
    order = services.posts.home_order(ctx)
    page = wished_page(request, ctx, order)
    return page_response(request, order, page, await services.posts.home(ctx, page), post_resource)


async def create(request: web.Request) -> web.Response:
    """POST /posts: write a post or a reply. The header Idempotency-Key makes repeating the request safe."""
    body = await json_body(request)
    ctx = await authenticated(request)
    draft = draft_of(body, request.headers.get(IDEMPOTENCY_HEADER))
    post = await to_the_end(request, within(ctx.settings.mutation_timeout_s, services.posts.create(ctx, draft)))
    headers = {"Location": f"/api/v1/posts/{post.id}"}
    return resource_response(request, post_resource(post), status=201, headers=headers)


async def existing(ctx: RequestContext, request: web.Request) -> Post:
    """Return the post that the path names.

    Raises:
        NotFound: there is none that the viewer may see.
    """
    post = await services.posts.find(ctx, parse_id(request.match_info["id"]))
    if post is None:
        raise NotFound(NO_SUCH_POST)
    return post


def draft_of(body: Any, idempotency_key: str | None) -> Draft:
    """Return the post that a body describes: content, and optionally title and inReplyToId.

    Raises:
        InvalidInput: the body is no object, or a value has a wrong type.
    """
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object with the key content.")
    content, title, parent = (body.get(key) for key in ("content", "title", "inReplyToId"))
    if not isinstance(content, str):
        raise InvalidInput("content must be a string.", field="content")
    if title is not None and not isinstance(title, str):
        raise InvalidInput("title must be a string.", field="title")
    if parent is not None and not isinstance(parent, str):
        raise InvalidInput("inReplyToId must be a decimal id in a string.", field="inReplyToId")
    parent_id = parse_id(parent, field="inReplyToId") if parent is not None else None
    return Draft(content=content, title=title, in_reply_to_id=parent_id, idempotency_key=idempotency_key)
