"""Hits ahead of the application: what goes the long way, and what a connection that only hits must still get."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from app.infra import telemetry
from tests.clients import TestServer
from tests.transports.graphql.test_caching import LATEST, ask, extension_of, is_hit, target
from tests.transports.graphql.wire import NEW_TYPE, connected, read_answer


@pytest.fixture
async def hot(server: TestServer) -> TestServer:
    """A server that has the newest posts in its cache."""
    await server.graphql(LATEST, extensions=extension_of(LATEST))
    await ask(server, LATEST)
    return server


def request_bytes(server: TestServer, *lines: str) -> bytes:
    """Return a request for what is in the cache."""
    head = [f"GET {target(LATEST)} HTTP/1.1", f"Host: {urlsplit(server.url).netloc}", f"Accept: {NEW_TYPE}", *lines]
    return "\r\n".join([*head, "", ""]).encode()


async def test_one_connection_gets_hit_after_hit_and_other_answers_between(hot: TestServer):
    async with connected(hot) as (reader, writer):
        for lines in ((), ("Authorization: Bearer nobody",), (), ("Origin: https://example.org",), ()):
            writer.write(request_bytes(hot, *lines))
            answer = await read_answer(reader)
            assert answer.status == (401 if "Authorization" in str(lines) else 200)
            assert answer.status == 401 or is_hit(answer)


async def test_pipelined_hits_are_answered_in_order(hot: TestServer):
    async with connected(hot) as (reader, writer):
        writer.write(request_bytes(hot) * 3 + request_bytes(hot, "Connection: close"))
        answers = [await read_answer(reader) for _ in range(4)]
        assert await reader.read() == b""

    assert [is_hit(answer) for answer in answers] == [True] * 4
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


async def test_a_connection_that_only_hits_is_not_taken_for_a_silent_one(start_server):
    server = await start_server(head_timeout_s=0.3)
    await server.graphql(LATEST, extensions=extension_of(LATEST))
    await ask(server, LATEST)
    async with connected(server) as (hitting, writer), connected(server) as (silent, _):
        writer.write(request_bytes(server))
        await read_answer(hitting)
        async with asyncio.timeout(10):
            assert await silent.read() == b""  # the sweep has come by
        writer.write(request_bytes(server))
        assert is_hit(await read_answer(hitting))


async def test_hits_of_a_second_have_one_line_and_named_ones_their_own(hot: TestServer, monkeypatch):
    monkeypatch.setattr("app.transports.http.hits.LINE_EVERY_S", 0.01)
    own: list[dict[str, Any]] = []
    monkeypatch.setattr(telemetry.request_lines, "add", lambda **facts: own.append(facts))
    with capture_logs() as lines:
        for _ in range(3):
            await ask(hot, LATEST)
        await ask(hot, LATEST, headers={"x-request-id": "mine"})
        async with asyncio.timeout(5):
            while sum(line.get("requests", 0) for line in lines) < 3:  # noqa: ASYNC110  # the log wakes nobody
                await asyncio.sleep(0.01)

    assert sum(line["requests"] for line in lines if line["event"] == "cache_hits") == 3
    assert [(line["status"], line["statements"]) for line in own] == [(200, 0)]


async def test_an_upgrade_is_no_hit(hot: TestServer):
    async with connected(hot) as (reader, writer):
        writer.write(request_bytes(hot, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"))
        answer = await read_answer(reader)

    assert answer.status == 400
    assert json.loads(answer.body)["code"] == "BAD_REQUEST"


async def test_hits_for_strangers_are_kept_apart_from_those_for_pages_of_listed_origins(start_server):
    server = await start_server(allowed_origins=["https://friend.example"])
    await server.graphql(LATEST, extensions=extension_of(LATEST))
    await ask(server, LATEST)
    async with connected(server) as (reader, writer):
        for lines, allowed in (((), None), (("Origin: https://friend.example",), "https://friend.example")):
            writer.write(request_bytes(server, *lines))
            answer = await read_answer(reader)
            assert is_hit(answer)
            assert answer.headers["vary"].endswith(", Origin")
            assert answer.headers.get("access-control-allow-origin") == allowed
