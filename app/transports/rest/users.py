"""Users as resources."""

from aiohttp import web

from app import services
from app.domain.errors import NotFound
from app.domain.ids import parse_id
from app.domain.models import User
from app.services import relations
from app.services.context import RequestContext
from app.transports.exchange import authenticated
from app.transports.resources import post_resource, user_resource
from app.transports.rest.answers import page_response, resource_response, wished_page


async def get(request: web.Request) -> web.Response:
    """GET /users/{id}."""
    user = await existing(await authenticated(request), request)
    return resource_response(request, user_resource(user))


async def posts(request: web.Request) -> web.Response:
    """GET /users/{id}/posts: their posts, newest first, without replies."""
    ctx = await authenticated(request)
    user = await existing(ctx, request)
    order = relations.USER_POSTS.order(user)
    page = wished_page(request, ctx, order)
    return page_response(request, order, page, await ctx.loaders.many(relations.USER_POSTS, user, page), post_resource)


async def followers(request: web.Request) -> web.Response:
    """GET /users/{id}/followers: newest follow first."""
    ctx = await authenticated(request)
    user = await existing(ctx, request)
    order = relations.USER_FOLLOWERS.order(user)
    page = wished_page(request, ctx, order)
    return page_response(request, order, page, await ctx.loaders.many(relations.USER_FOLLOWERS, user, page), user_resource)


async def existing(ctx: RequestContext, request: web.Request) -> User:
    """Return the user whom the path names.

    Raises:
        NotFound: there is none.
    """
    user = await services.users.find(ctx, id_=parse_id(request.match_info["id"]))
    if user is None:
        raise NotFound("There is no such user.")
    return user
