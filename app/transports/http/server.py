"""The HTTP application, put together, and its life from the first to the last connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from logging import Logger
from typing import cast

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from app.domain.errors import ConfigurationError
from app.services.context import Resources
from app.settings import Settings
from app.transports import cors
from app.transports.exchange import RESOURCES, json_response
from app.transports.graphql import endpoint
from app.transports.graphql.documents import Documents
from app.transports.graphql.endpoint import ENDPOINT, Endpoint
from app.transports.graphql.negotiation import HTML_TYPE, LEGACY_TYPE, RESPONSE_TYPE, best_type
from app.transports.graphql.persisted import Persisted
from app.transports.graphql.schema import core_schema
from app.transports.http import metrics
from app.transports.http.connection import Connection
from app.transports.http.front import Front
from app.transports.http.health import DRAIN, READINESS, Checks, Drain, healthz, readyz
from app.transports.http.middleware import answered, finish_head, observed
from app.transports.http.slow_heads import SlowHeads
from app.transports.realtime import events, graphql_sse, websocket
from app.transports.realtime.connections import CONNECTIONS, Connections
from app.transports.realtime.hub import HUB, Hub, show_readings
from app.transports.rest import routes
from app.transports.rest.declaring import PREFIX
from app.transports.web import graphiql

log = structlog.get_logger(__name__)

LAST_WRITES_S = 0.5
RESTART_S = 1.0


def application(resources: Resources, readiness: Checks, *, demo_token: str | None) -> web.Application:
    """Return the application with every face mounted.

    Raises:
        ConfigurationError: the trusted documents cannot be used.
    """
    app = web.Application(
        middlewares=[observed, cors.preflights, answered],
        client_max_size=resources.settings.max_body_bytes,
    )
    app[RESOURCES] = resources
    app[READINESS] = readiness
    app[DRAIN] = Drain()
    documents = Documents(core_schema(), resources.settings, resources.metrics)
    app[ENDPOINT] = Endpoint(documents, Persisted(resources, documents))
    app[HUB] = Hub(resources)
    app[CONNECTIONS] = Connections(resources.settings)
    show_readings(app[HUB], app[CONNECTIONS], resources.metrics.read)
    app.on_response_prepare.append(finish_head)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics.handle)
    app.router.add_get("/", root)
    app.router.add_get("/graphql", graphql_get(demo_token))
    app.router.add_post("/graphql", graphql_sse.or_else(app[ENDPOINT]))
    app.router.add_route(hdrs.METH_OPTIONS, "/graphql", endpoint.options)
    app.router.add_route("*", "/graphql", endpoint.refuse_method)
    events.add_routes(app)
    routes.add_routes(app, events.ROUTE)
    app.router.add_get("/api/docs", graphiql.api_docs(demo_token))
    graphiql.add_routes(app)
    return app


async def root(request: web.Request) -> web.Response:
    """Lead a newcomer who opens the bare address to GraphiQL; where that is off, say what there is."""
    if request.app[RESOURCES].settings.serves_graphiql:
        return web.Response(status=302, headers={hdrs.LOCATION: "/graphql"})
    places = {
        "graphql": "/graphql",
        "rest": PREFIX,
        "openapi": routes.DOCUMENT_PATH,
        "health": "/healthz",
        "readiness": "/readyz",
    }
    return json_response(request, places)


def graphql_get(demo_token: str | None) -> Handler:
    """Return what GET /graphql does: become a socket, show GraphiQL to a browser, or answer a query."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if websocket.is_upgrade(request):
            return await websocket.handle(request)
        is_query = not request.query.keys().isdisjoint(("query", "documentId", "extensions"))
        accepts = best_type(request.headers.get(hdrs.ACCEPT), (LEGACY_TYPE, RESPONSE_TYPE, HTML_TYPE))
        if accepts == HTML_TYPE and not is_query and request.app[RESOURCES].settings.serves_graphiql:
            return graphiql.page(demo_token)
        return await graphql_sse.or_else(request.app[ENDPOINT])(request)

    return handle


@asynccontextmanager
async def serving(
    app: web.Application, *, host: str, port: int, slow_heads: SlowHeads, shares_port: bool = False
) -> AsyncIterator[None]:
    """Listen while the context is open; at its end, let running requests finish and close sockets with 1001.

    `shares_port` lets other processes listen there, too; the kernel spreads connections over them (SO_REUSEPORT, socket(7)).

    Raises:
        ConfigurationError: the address is not to be had.
    """
    settings = app[RESOURCES].settings
    runner = web.AppRunner(
        app,
        handler_cancellation=True,  # a caller who leaves cancels its query; writes run on in `to_the_end`
        shutdown_timeout=settings.shutdown_timeout_s,
    )
    app.cleanup_ctx.append(listening)
    app.on_cleanup.append(finish_writes)
    await runner.setup()
    server = cast("web.Server", runner.server)  # setup made it
    server.request_handler = Front(app[RESOURCES], app[ENDPOINT], server.request_handler, slow_heads)
    sweep = asyncio.create_task(slow_heads.sweep_for_ever(server))
    loop = asyncio.get_running_loop()
    listener: asyncio.Server | None = None
    try:
        try:
            listener = await loop.create_server(
                lambda: connection(server, settings), host, port, reuse_address=True, reuse_port=shares_port or None
            )
        except OSError as error:
            message = f"Cannot listen on {host} port {port}: {error.strerror or error}. Set FEEDGRAPH_HOST or FEEDGRAPH_PORT."
            raise ConfigurationError(message) from error
        yield
        app[DRAIN].begun = True
        await app[CONNECTIONS].drain()  # readiness is seen to be red meanwhile
    finally:
        sweep.cancel()
        if listener:
            listener.close()
        await runner.cleanup()


async def listening(app: web.Application) -> AsyncIterator[None]:
    """Hand out events, and look after open connections, as long as the application lives."""
    hub, connections = app[HUB], app[CONNECTIONS]
    tasks = [asyncio.create_task(kept_alive(work)) for work in (hub.run, connections.sweep)]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await hub.close()


async def kept_alive(work: Callable[[], Awaitable[None]]) -> None:
    """Run something for ever; should it fail against all intention, say so and start it again."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("background_task_failed", exc_info=error)
        await asyncio.sleep(RESTART_S)


def connection(server: web.Server, settings: Settings) -> Connection:
    """Return the protocol of a new connection."""
    return Connection(
        server,
        loop=asyncio.get_running_loop(),
        access_log=cast("Logger", None),  # the middleware writes its own line
        keepalive_timeout=settings.keepalive_timeout_s,
        max_line_size=settings.max_url_bytes,
        max_field_size=settings.max_header_bytes,
    )


async def finish_writes(app: web.Application) -> None:
    """Wait a moment for the writes whose callers left; they had the time of running requests already."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WRITES_S):
            await asyncio.gather(*app[RESOURCES].unfinished, return_exceptions=True)
