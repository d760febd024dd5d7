"""`feedgraph bench live`: every way hears of every post, and the report says what that cost."""

import io
import json
import math
import os

import pytest
from rich.console import Console

from app.bench import live_tables
from app.bench.live import LivePlan, measure
from app.bench.server_cpu import cpu_s, listeners
from app.bench.wire import CannotMeasure
from tests.bench.conftest import quiet
from tests.clients import TestServer

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def test_every_way_hears_of_every_post(server: TestServer) -> None:
    ana = await server.person()
    plan = LivePlan(server.url, ana.token, clients=2, posts_per_s=20, seconds=0.2, intervals_s=(0.02, 0.3))

    report = await measure(plan, quiet)

    names = ["short polling, 0.02 s", "short polling, 0.3 s", "long polling", "server-sent events", "WebSocket"]
    assert [cost.client for cost in report.costs] == names
    often, seldom, long, stream, socket = report.costs
    assert all(cost.deliveries == 8 and 0 < cost.p50_ms <= cost.p99_ms and cost.bytes_per_event > 150 for cost in report.costs)
    assert often.wasted > 0
    assert often.requests > seldom.requests
    assert (long.wasted, stream.requests, socket.requests) == (0, 2, 2)
    assert socket.connections in {2, 3}  # the first request's may have been closed
    assert long.bytes_per_event > stream.bytes_per_event
    assert await server.running.resources.db.fetchval("select count(*) from posts") == 6 * 4  # once without listeners

    document = json.loads(live_tables.as_json(report))
    assert [way["name"] for way in document["ways"]] == names
    assert ana.token not in json.dumps(document)
    page = live_tables.as_html(report)
    assert "{{" not in page
    assert page.count("<svg") == 6
    output = io.StringIO()
    live_tables.print_table(report, Console(file=output, width=160))
    assert all(name in output.getvalue() for name in names)


async def test_what_cannot_be_measured_is_said(server: TestServer) -> None:
    with pytest.raises(CannotMeasure, match="takes no posts"):
        await measure(LivePlan(server.url, "forged", seconds=0.1), quiet)
    with pytest.raises(CannotMeasure, match="cannot be reached"):
        await measure(LivePlan("http://127.0.0.1:1", "x", seconds=0.1), quiet)


async def test_the_servers_cpu_is_found_by_its_port_and_unknown_elsewhere(server: TestServer) -> None:
    assert listeners(server.url) == [os.getpid()]
    assert (cpu_s(server.url) or 0) > 0
    assert cpu_s("http://127.0.0.1:1") is None
    assert cpu_s("http://192.0.2.1:80") is None
    figure = next(column for column in live_tables.COLUMNS if column.field == "cpu_s_per_1000")
    ana = await server.person()
    report = await measure(LivePlan(server.url, ana.token, clients=1, posts_per_s=50, seconds=0.02, intervals_s=()), quiet)
    unknown = type(report.costs[0])("", "x", 1, 1, 1, 1, 0, 1, 1, math.nan)
    assert figure.text(unknown) == "–"
