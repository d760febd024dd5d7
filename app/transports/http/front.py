"""The front: where requests come in. What the response cache has leaves here; so do GraphQL requests by POST, for which routing
and the application's middlewares would take as long as their execution does. Everything else goes through the application.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from app.services.context import Resources
from app.transports.exchange import begin
from app.transports.graphql.caching import READS
from app.transports.graphql.endpoint import Endpoint
from app.transports.http.hits import Hits
from app.transports.http.middleware import answered, finish_head, observed
from app.transports.http.slow_heads import SlowHeads
from app.transports.realtime.graphql_sse import wants_stream

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Front:
    """Stands between the connections and the application."""

    def __init__(self, resources: Resources, endpoint: Endpoint, application: Handler, slow_heads: SlowHeads) -> None:
        self._resources = resources
        self._endpoint = endpoint
        self._application = application
        self._slow_heads = slow_heads
        self._hits = Hits(resources)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        self._slow_heads.hear(request)
        if request.method in READS and (hit := self._hits.response(request)) is not None:
            return hit
        begin(request, self._resources)
        if not isinstance(request, web.Request) or not is_plain_query(request):
            return await self._application(request)
        response = await observed(request, self._answered)
        await finish_head(request, response)
        return response

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        return await answered(request, self._endpoint.handle)


def is_plain_query(request: web.BaseRequest) -> bool:
    """Say whether a request is a GraphQL one that wants nothing of the protocol but an answer."""
    return (
        request.method == hdrs.METH_POST
        and request.path == "/graphql"
        and hdrs.EXPECT not in request.headers
        and not wants_stream(request)
    )
