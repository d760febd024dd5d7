"""The page that Prometheus reads."""

import secrets

from aiohttp import hdrs, web

from app.infra.metrics import CONTENT_TYPE
from app.transports.errors import RequestError, problem_of
from app.transports.exchange import CHALLENGE, RESOURCES, bearer_token
from app.transports.rest.answers import problem_response


async def handle(request: web.Request) -> web.Response:
    """Show the metrics of this process: 404 where they are off, 401 without the token where one is set."""
    resources = request.app[RESOURCES]
    if not resources.settings.serves_metrics:
        raise web.HTTPNotFound
    expected = resources.settings.metrics_token
    if expected is not None:
        try:
            token = bearer_token(request.headers.get(hdrs.AUTHORIZATION, ""))
            if not secrets.compare_digest(token.encode(), expected.get_secret_value().encode()):
                raise RequestError("UNAUTHENTICATED", "This is not the token of FEEDGRAPH_METRICS_TOKEN.", headers=CHALLENGE)
        except RequestError as error:
            return problem_response(request, problem_of(error))
    return web.Response(body=resources.metrics.text(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.CACHE_CONTROL: "no-store"})
