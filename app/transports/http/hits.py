"""Hits: what the response cache has leaves ahead of routing, middlewares and GraphQL, which would take longer than the answer.

A hit gets everything else that an exchange gets: an id, safe headers, its share of the budget, a place in the metrics. All hits
of a second have one line in the log; whoever sends an id of their own goes the long way, for they may look for it there.
"""

import asyncio
import secrets
import time

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict

from app.domain.budgets import Caller
from app.services.answers import Kept
from app.services.context import Resources
from app.transports import cors
from app.transports.exchange import COST_HEADER, COUNTS_HEADER, TIMEOUT_HEADER, rate_limit_headers
from app.transports.graphql.caching import HIT_POINTS, Shared, key_of, shared_response
from app.transports.graphql.endpoint import DRY_RUN_HEADER
from app.transports.http.middleware import REQUEST_ID_HEADER

log = structlog.get_logger("feedgraph.http")

LINE_EVERY_S = 1.0
MOMENT_S = 0.02
HEADS_TOLD = 1_000
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
    TIMEOUT_HEADER,
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
    """Answers what is kept."""

    def __init__(self, resources: Resources) -> None:
        self._answers = resources.answers
        self._budgets = resources.budgets
        self._resources = resources
        self._ids = secrets.token_hex(4)  # the first half of each id: this process
        self._answered = self._written = 0
        self._told: dict[tuple[str, str], tuple[float, Kept[Shared], CIMultiDict[str]]] = {}  # by caller and key: until when

    def response(self, request: web.BaseRequest) -> web.Response | None:
        """Return the response to a GET or HEAD where there is one; None: the request goes the long way."""
        key = key_of(request)
        kept = self._answers.get(key)
        if kept is None or is_demanding(request):
            return None
        caller = self._budgets.at_address(request.remote or "")
        if not self._budgets.pay_at_once(caller, HIT_POINTS):
            return None  # asking for more points takes its time, and refusing its form
        self._answers.hits += 1
        if hdrs.IF_NONE_MATCH in request.headers:
            response = shared_response(request, kept, rate_limit_headers(self._budgets.standing(caller)))
            cors.vary(self._resources.settings, response)
        else:
            response = web.Response(body=kept.value.body, headers=self._head(request, caller, key, kept))
        response.headers[REQUEST_ID_HEADER] = f"{self._ids}{self._answered & 0xFFFFFFFF:08x}"
        if self._answered == self._written:
            asyncio.get_running_loop().call_later(LINE_EVERY_S, self._write_line)
        self._answered += 1
        return response

    def _head(self, request: web.BaseRequest, caller: Caller, key: str, kept: Kept[Shared]) -> CIMultiDict[str]:
        """Return the headers of a kept response, with what its caller has left. Making them takes as long as all else, so a
        moment's hits have the same."""
        now_s, place = time.monotonic(), (caller.key, key)
        told = self._told.get(place)
        if told is None or told[0] <= now_s or told[1] is not kept:
            if len(self._told) >= HEADS_TOLD:
                self._told.clear()
            response = shared_response(request, kept, rate_limit_headers(self._budgets.standing(caller)))
            cors.vary(self._resources.settings, response)
            told = self._told[place] = (now_s + MOMENT_S, kept, response.headers)
        return told[2]

    def _write_line(self) -> None:
        log.info("cache_hits", requests=self._answered - self._written)
        self._written = self._answered
