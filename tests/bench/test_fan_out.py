"""`feedgraph bench fan-out`: its listeners count what arrives, and its reports say what happened."""

import asyncio
import json
import os
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from app.bench import fanout
from app.bench.fanout import FanOut, Idle, Soak, Target
from app.bench.listening import Crowd, Listener
from app.bench.wire import CannotMeasure
from app.cli.bench.fan_out import other_server, program, show
from app.transports.realtime.hub import HUB
from app.transports.realtime.news import NEXT, frame_header
from tests.clients import TestServer
from tests.live.nodes import until

ROWS = st.lists(st.integers(0, 70_000), max_size=6)


class Silent:
    """A transport that nobody reads."""

    def write(self, _data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


async def counted(pieces: list[bytes]) -> int:
    """Return how many deliveries a listener counts in a stream of bytes."""
    crowd = Crowd("http://127.0.0.1:1")
    listener = Listener(crowd)
    listener._transport = cast("Any", Silent())
    listener.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(b'{"type":"connection_ack"}'))
    for piece in pieces:
        listener.data_received(piece)
    assert not crowd.failures
    return crowd.heard


def frame(message: bytes) -> bytes:
    return frame_header(len(message)) + message


@settings(deadline=None, derandomize=True, max_examples=60)
@given(ROWS, st.lists(st.integers(1, 100_000), max_size=20))
def test_deliveries_are_counted_wherever_the_bytes_are_cut(sizes: list[int], cuts: list[int]):
    stream = b"".join(frame(NEXT + b'"' + b"x" * size + b'","id":"1"}') for size in sizes)
    places = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert asyncio.run(counted(pieces)) == len(sizes)


async def test_a_server_is_measured_in_every_way(start_server):
    server: TestServer = await start_server(max_sockets_per_address=200)
    ann = await server.person()
    target = Target("feedgraph", server.url, os.getpid(), ann.token)
    report = await fanout.fan_out(server.http, target, listeners=5, events=20, rate=200)
    assert (report.name, report.listeners, report.events) == ("feedgraph", 5, 20)
    assert report.deliveries_per_s > 0
    assert 0 < report.paced_p50_ms <= report.paced_p99_ms
    idle = await fanout.idle(server.http, target, listeners=8)
    assert idle.listeners == 8
    said: list[str] = []
    soaked = await fanout.soak(server.http, target, seconds=0.5, tell=said.append, before=10)
    assert soaked.rounds >= 1
    assert len(said) == len(soaked.samples) >= 1
    await until(lambda: server.running.app[HUB].listeners == 0)  # none is left behind
    console = Console(width=160, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, ASYNC230
    show([replace(report, name="another", deliveries_per_s=report.deliveries_per_s / 3), report, idle, soaked], console)
    text = console.export_text()
    console.file.close()
    assert "beside another: 3.00 times the deliveries/s" in text
    assert "8 idle subscriptions" in text
    json.dumps([fanout.as_dict(part) for part in (report, idle, soaked)])
    assert [type(part) for part in (report, idle, soaked)] == [FanOut, Idle, Soak]


async def test_a_server_of_ones_own_is_measured_by_a_mutation_of_its_own(server: TestServer):
    target = other_server(server.url + "/", "mutation($title: String!) { createPost(input: {content: $title}) { post { id } } }")
    assert target.pid == os.getpid()
    ann = await server.person()
    report = await fanout.fan_out(server.http, replace(target, token=ann.token), listeners=2, events=10, rate=200)
    assert report.name == f"{server.url}/"
    with pytest.raises(CannotMeasure):
        other_server("http://127.0.0.1:1", "")


async def test_a_server_that_takes_no_more_listeners_cannot_be_measured(start_server):
    server: TestServer = await start_server(max_sockets_per_address=2)
    with pytest.raises(CannotMeasure):
        await Crowd(server.url).open(3)


@pytest.mark.slow
@pytest.mark.parametrize("module", ["app.bench.loops.bare", "app.bench.loops.stock"])
async def test_the_servers_to_compare_with_deliver(module: str):
    with program("another", module) as target:
        async with aiohttp.ClientSession() as session:
            report = await fanout.fan_out(session, target, listeners=3, events=10, rate=100)
    assert report.deliveries_per_s > 0
