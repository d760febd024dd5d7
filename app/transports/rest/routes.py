"""The addresses of the REST face: all nouns' routes, and how they are mounted."""

from itertools import groupby
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from app.transports.exchange import JSON_TYPE
from app.transports.rest import feeds, jobs, media, nodes, posts, rate_limit, sessions, users
from app.transports.rest.answers import answering, conditional
from app.transports.rest.declaring import PREFIX, Route
from app.transports.rest.openapi import document

DOCUMENT_PATH = "/api/openapi.json"
ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    *users.ROUTES,
    *posts.ROUTES,
    *feeds.ROUTES,
    *nodes.ROUTES,
    *sessions.ROUTES,
    *jobs.ROUTES,
    *media.ROUTES,
    *rate_limit.ROUTES,
)


def add_routes(app: web.Application, *others: Route[Any, Any]) -> None:
    """Mount the REST face; HEAD stands beside every GET, and OPTIONS tells an address's methods.

    `others` are routes under the same prefix that another face mounts: the document tells of them, too.
    """
    for path, routes in groupby(sorted(ROUTES, key=lambda route: route.path), key=lambda route: route.path):
        resource = app.router.add_resource(PREFIX + path)
        methods = [hdrs.METH_OPTIONS]
        for route in routes:
            handler = answering(route)
            for method in (route.method, *([hdrs.METH_HEAD] if route.is_read else [])):
                resource.add_route(method, handler)
                methods.append(method)
        resource.add_route(hdrs.METH_OPTIONS, telling(methods))
    app.router.add_get(DOCUMENT_PATH, documented((*ROUTES, *others)))


def documented(routes: tuple[Route[Any, Any], ...]) -> Handler:
    """Return the handler that answers with the OpenAPI document of these routes."""

    async def openapi_json(request: web.Request) -> web.Response:
        response = web.Response(body=document(routes), content_type=JSON_TYPE, headers={hdrs.CACHE_CONTROL: "public, no-cache"})
        return conditional(request, response)

    return openapi_json


def telling(methods: list[str]) -> Handler:
    """Return the handler that tells an address's methods."""
    allow = ", ".join(sorted(methods))

    async def options(_request: web.Request) -> web.Response:
        return web.Response(status=204, headers={hdrs.ALLOW: allow})

    return options
