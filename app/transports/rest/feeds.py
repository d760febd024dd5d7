"""The home feed as a resource."""

from typing import Any

from app import services
from app.transports.rest import schemas
from app.transports.rest.declaring import Call, Reply, Route
from app.transports.rest.pages import list_route, listed
from app.transports.rest.queries import PostPage
from app.transports.rest.showing import posts_shown


async def feed(call: Call[PostPage, None]) -> Reply:
    """Return the viewer's home feed, newest first: posts by them and by those they follow, and replies among these."""
    ctx = call.ctx
    show = posts_shown(ctx, call.query)
    return await listed(call, services.posts.home_order(ctx), lambda page: services.posts.home(ctx, page), show)


ROUTES: tuple[Route[Any, Any], ...] = (list_route("/feed", "listFeed", feed, PostPage, schemas.Post, needs_session=True),)
