"""`feedgraph bench cache`: what it measures, and how the ratio is made."""

import asyncio
import io
import json
import os

import pytest
from rich.console import Console

from app.bench.hits import ACCEPT, EXECUTED, FLOOR, HIT, HitsPlan, HitsReport, Sample, address_of, measure, register
from app.bench.hits_tables import as_json, print_table, verdict
from app.bench.wire import CannotMeasure
from app.cli.bench.servers import free_port, program
from tests.bench.conftest import quiet

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def test_a_hit_its_floor_and_an_execution_are_measured(demo_world, start_server, tmp_path):
    server = await start_server(anonymous_points=10**9)
    port, floor_port = int(server.url.rpartition(":")[2]), free_port()
    await register(server.url, "123")
    floor = (server.url + address_of("123"), ACCEPT, str(floor_port))
    starting = program(tmp_path, "app.bench.hits_floor", *floor, port=floor_port)
    floor_pid = await asyncio.to_thread(starting.__enter__)  # it asks this process's server
    try:
        report = await measure(HitsPlan(port, os.getpid(), floor_port, floor_pid, "123", 0.1, 1, 2), quiet)
    finally:
        starting.__exit__(None, None, None)

    assert [sample.way for sample in report.samples] == [HIT, FLOOR, EXECUTED]
    assert all(sample.per_s > 0 for sample in report.samples)
    assert report.body_bytes > 1_000
    assert server.running.resources.answers.hits > report.of(HIT)[0].per_s * 0.1
    written = json.loads(as_json(report))
    assert [row["way"] for row in written["medians"]] == [HIT, FLOOR, EXECUTED]
    print_table(report, console := Console(file=io.StringIO(), width=100))
    assert "of the floor's requests/s (wanted: 80%)" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


async def test_a_server_that_keeps_nothing_is_not_measured(demo_world, start_server):
    server = await start_server(max_response_cache_bytes=0)

    with pytest.raises(CannotMeasure, match="does not keep the answer"):
        await register(server.url, "123")


def test_the_ratio_is_that_of_rounds():
    report = HitsReport(HitsPlan(1, 1, 2, 2, "1", 1.0, 3, 16), 100)
    for hit, floor in ((900.0, 1000.0), (70.0, 100.0), (850.0, 1000.0)):  # the second round was a slow one
        report.samples += [Sample(HIT, hit, 1.2, 1.0, 1.0), Sample(FLOOR, floor, 1.0, 1.0, 1.0)]

    assert report.of_floor == pytest.approx(0.85)
    assert verdict(report) == "A hit reaches 85% of the floor's requests/s (wanted: 80%), with 1.20 times its CPU."
