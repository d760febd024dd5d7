"""Hits: what the response cache has leaves ahead of routing, middlewares and GraphQL, which would take longer than the answer.

A hit gets everything else that an exchange gets: an id, safe headers, its share of the budget, a place in the metrics. All hits
of a second have one line in the log; whoever sends an id of their own goes the long way, for they may look for it there.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web

from app.services.context import Resources
from app.transports import cors
from app.transports.exchange import COST_HEADER, COUNTS_HEADER
from app.transports.graphql.caching import HIT_POINTS, key_of, shared_response
from app.transports.graphql.endpoint import DRY_RUN_HEADER
from app.transports.http.middleware import REQUEST_ID_HEADER
from app.transports.http.slow_heads import SlowHeads

log = structlog.get_logger("feedgraph.http")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

LINE_EVERY_S = 1.0
METHODS = {hdrs.METH_GET, hdrs.METH_HEAD}
# With one of these a request may mean something else than its address says, or its answer needs more than is kept.
DEMANDING = (
    hdrs.AUTHORIZATION,
    hdrs.ORIGIN,
    hdrs.CONTENT_TYPE,
    hdrs.UPGRADE,
    hdrs.EXPECT,
    COUNTS_HEADER,
    COST_HEADER,
    DRY_RUN_HEADER,
    REQUEST_ID_HEADER,
)


def is_demanding(request: web.BaseRequest) -> bool:
    """Say whether a request wants more than its address and its Accept header tell."""
    headers = request.headers
    for name in DEMANDING:  # noqa: SIM110  # `any` takes twice as long
        if name in headers:
            return True
    return False


class Hits:
    """Stands between the connections and the application: answers what is kept, and hands on everything else."""

    def __init__(self, resources: Resources, otherwise: Handler, slow_heads: SlowHeads) -> None:
        self._answers = resources.answers
        self._budgets = resources.budgets
        self._resources = resources
        self._otherwise = otherwise
        self._slow_heads = slow_heads
        self._ids = secrets.token_hex(4)  # the first half of each id: this process
        self._answered = self._written = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        kept = self._answers.get(key_of(request)) if request.method in METHODS else None
        if kept is None or is_demanding(request):
            return await self._otherwise(request)
        left = self._budgets.pay_at_once(self._budgets.at_address(request.remote or ""), HIT_POINTS)
        if left is None:  # asking for more points takes its time, and refusing its form: both are the application's
            return await self._otherwise(request)
        self._slow_heads.hear(request)
        response = shared_response(request, self._resources, kept, left)
        cors.vary(self._resources.settings, response)
        response.headers[REQUEST_ID_HEADER] = f"{self._ids}{self._answered & 0xFFFFFFFF:08x}"
        if self._answered == self._written:
            asyncio.get_running_loop().call_later(LINE_EVERY_S, self._write_line)
        self._answered += 1
        return response

    def _write_line(self) -> None:
        log.info("cache_hits", requests=self._answered - self._written)
        self._written = self._answered
