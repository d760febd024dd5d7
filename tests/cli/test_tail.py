"""`feedgraph tail` prints the log as it grows and comes back after a break."""

import asyncio
import os
import sys

import pytest

from app.bench.event_source import Message, Parser
from app.cli.tail import line_of
from tests.clients import TestServer

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def tailing(server: TestServer, *words: str) -> asyncio.subprocess.Process:
    """Start the command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FEEDGRAPH_")}
    command = [sys.executable, "-m", "app", "tail", "--url", server.url, *words]
    return await asyncio.create_subprocess_exec(*command, env=own, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)


async def test_events_are_printed_as_they_happen(server: TestServer) -> None:
    ana = await server.person()
    first = await ana.post("Hello\x1b[31m\n world")
    tail = await tailing(server, "--topic", f"author:{ana.id}", "--topic", "post:1", "--after", "1-1")
    assert tail.stdout is not None
    async with asyncio.timeout(60):
        assert b"gap" in await tail.stdout.readline()  # the cursor is of another log's life
        second = await ana.post("again")
        line = (await tail.stdout.readline()).decode()
    assert second in line or first in line
    assert "\x1b" not in line
    tail.terminate()
    assert await tail.wait() == 143


async def test_what_the_server_refuses_is_said_in_a_sentence(server: TestServer) -> None:
    tail = await tailing(server, "--topic", "user:1")
    _, said = await asyncio.wait_for(tail.communicate(), 60)
    assert (tail.returncode, said.count(b"\n")) == (2, 1)
    assert b"BAD_USER_INPUT" in said


def test_streams_are_read_in_any_pieces() -> None:
    text = 'retry: 250\r\nid: 1-1\n\n:\n\nid: 1-2\nevent: post.created\ndata: {"a":\ndata: 1}\n\ndata: x\n\nid: 1-3\ndata: half'
    for size in (1, 2, 7, len(text)):
        parser = Parser()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        got = [message for piece in pieces for message in parser.feed(piece)]
        assert got == [Message("1-2", "post.created", '{"a":\n1}'), Message("1-2", "message", "x")]
        assert (parser.last_id, parser.retry_s) == ("1-2", 0.25)


def test_lines_are_safe_for_terminals() -> None:
    post = '"post":{"postId":"5","title":null,"content":"a\\u001b[2J\\nb\\u202e","authorId":"1","likesCount":0,"repliesCount":2}'
    event = '{"cursor":"1-2","type":"post.created","at":"2026-11-22T07:00:00.000Z","topics":["posts"],' + post + "}"
    line = line_of(Message("1-2", "post.created", event))
    assert line == "1-2  2026-11-22T07:00:00.000Z  post.created   5  by 1, 0 likes, 2 replies: a�[2J b�"
