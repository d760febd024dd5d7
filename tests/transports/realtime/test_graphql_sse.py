"""GraphQL over server-sent events, distinct connections: streams, one-shot answers, cursors as ids, and how streams end."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from app.transports.realtime.connections import CONNECTIONS
from app.transports.realtime.hub import HUB
from tests.clients import TestServer
from tests.live.nodes import until

POSTS = "subscription($after: EventCursor) { postAdded(after: $after) { content } }"
STREAM = {"Accept": "text/event-stream"}
Event = dict[str, str]


class Stream:
    """A response read event by event; comments are counted."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments = 0
        self.retry_ms: int | None = None

    async def event(self, timeout_s: float = 10) -> Event | None:
        """Return the next event's fields; None where the body ends."""
        event: Event = {}
        async with asyncio.timeout(timeout_s):
            while line := (await self.response.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(":")
                if line == "\n":
                    if event:
                        return event
                elif not name:
                    self.comments += 1
                elif name == "retry":
                    self.retry_ms = int(value)
                else:
                    event[name] = value.removeprefix(" ")
        return None

    async def next(self) -> Any:
        """Return the payload of the next event, which must be a `next`."""
        event = await self.event()
        assert event is not None
        assert event["event"] == "next"
        payload = json.loads(event["data"])
        if "id" in event:
            assert event["id"] == payload["extensions"]["cursor"]
        return payload

    async def content(self) -> str:
        """Return the text of the next post."""
        return str((await self.next())["data"]["postAdded"]["content"])


@asynccontextmanager
async def streaming(
    server: TestServer, query: str, *, get: bool = False, headers: Any = None, **variables: Any
) -> AsyncIterator[Stream]:
    """Open a stream."""
    sent = {**STREAM, **(headers or {})}
    if get:
        parameters = {"query": query, "variables": json.dumps(variables)}
        request = server.http.get(f"{server.url}/graphql", params=parameters, headers=sent)
    else:
        request = server.http.post(f"{server.url}/graphql", json={"query": query, "variables": variables}, headers=sent)
    async with request as response:
        yield Stream(response)


def head(server: TestServer) -> str:
    return str(server.running.resources.tail.cursor)


@pytest.mark.parametrize("get", [True, False], ids=["GET", "POST"])
async def test_a_subscription_streams_with_cursors_as_ids(server: TestServer, get: bool):
    ann = await server.person()
    async with streaming(server, POSTS, get=get) as stream:
        headers = stream.response.headers
        assert stream.response.status == 200
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["Cache-Control"] == "no-cache, no-transform"
        assert headers["X-Accel-Buffering"] == "no"
        contents = ["one", "two\nlines and ünïcode", "three"]
        for content in contents:
            await ann.post(content)
        events = [await stream.event() for _ in contents]
        assert stream.retry_ms is not None
        assert 200 <= stream.retry_ms <= 3_000
    epoch = head(server).partition("-")[0]
    assert [event and event["id"] for event in events] == [f"{epoch}-{position}" for position in (1, 2, 3)]
    assert [json.loads(event["data"])["data"]["postAdded"]["content"] for event in events if event] == contents


async def test_it_resumes_from_the_later_of_argument_and_last_event_id(server: TestServer):
    ann = await server.person()
    start = head(server)
    for number in range(4):
        await ann.post(str(number))
    await until(lambda: server.running.resources.tail.cursor.position == 4)
    epoch = start.partition("-")[0]
    for after, last, first in [
        (start, None, "0"),
        (None, f"{epoch}-2", "2"),
        (start, f"{epoch}-3", "3"),
        (f"{epoch}-3", start, "3"),
    ]:
        async with streaming(server, POSTS, headers={"Last-Event-ID": last} if last else {}, after=after) as stream:
            assert await stream.content() == first


async def test_a_stream_and_a_socket_hand_over_in_mid_stream(server: TestServer):
    ann = await server.person()
    start, written, heard = head(server), [str(number) for number in range(9)], []
    for content in written:
        await ann.post(content)
    cursor: str = start
    for turn in range(3):
        if turn % 2:
            socket = await server.socket()
            await socket.subscribe(POSTS, after=cursor)
            payloads = [(await socket.receive())["payload"] for _ in range(3)]
            await socket.close()
        else:
            async with streaming(server, POSTS, headers={"Last-Event-ID": cursor}) as stream:
                payloads = [await stream.next() for _ in range(3)]
        heard += [payload["data"]["postAdded"]["content"] for payload in payloads]
        cursor = payloads[-1]["extensions"]["cursor"]
    assert heard == written


async def refused(stream: Stream) -> tuple[int, str]:
    """Return status and code of an answer that is no stream."""
    body = await stream.response.json()
    return stream.response.status, body["errors"][0]["extensions"]["code"]


async def test_a_position_that_cannot_be_is_refused_before_the_stream(server: TestServer):
    cursor = server.running.resources.tail.cursor
    for last in ("nonsense", f"{cursor.epoch}-{cursor.position + 1}"):
        async with streaming(server, POSTS, headers={"Last-Event-ID": last}) as stream:
            assert await refused(stream) == (400, "CURSOR_INVALID")


async def test_a_gap_is_told_and_its_end_is_an_id(server: TestServer):
    epoch = server.running.resources.tail.cursor.epoch
    async with streaming(server, POSTS, headers={"Last-Event-ID": f"{epoch - 1}-7"}) as stream:
        payload = await stream.next()
        assert payload["errors"][0]["extensions"]["code"] == "REPLAY_GAP"
        assert payload["extensions"]["gap"] == {"from": f"{epoch - 1}-7", "to": head(server)}


async def test_queries_and_mutations_are_one_next_and_complete(server: TestServer):
    ann = await server.person()
    write = 'mutation { createPost(input: {content: "by stream"}) { post { content } } }'
    for query, data in [("{ __typename }", {"__typename": "Query"}), (write, {"createPost": {"post": {"content": "by stream"}}})]:
        async with streaming(server, query, headers=ann.headers) as stream:
            assert await stream.next() == {"data": data}
            assert await stream.event() == {"event": "complete", "data": ""}
            assert await stream.event() is None
    async with streaming(server, write, get=True, headers=ann.headers) as stream:
        assert stream.response.status == 405


async def test_what_a_document_says_wrong_is_a_next_with_errors(server: TestServer):
    for query, code in [("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"), ("{", "GRAPHQL_PARSE_FAILED")]:
        async with streaming(server, query) as stream:
            assert (await stream.next())["errors"][0]["extensions"]["code"] == code
            assert await stream.event() == {"event": "complete", "data": ""}


async def test_a_client_that_also_takes_json_gets_streams_for_subscriptions_alone(server: TestServer):
    both = {"Accept": "application/graphql-response+json, text/event-stream, multipart/mixed"}  # as urql sends it
    async with streaming(server, "{ __typename }", headers=both) as stream:
        assert stream.response.headers["Content-Type"].startswith("application/graphql-response+json")
        assert await stream.response.json() == {"data": {"__typename": "Query"}}
    async with streaming(server, "{ nonsense }", headers=both) as stream:
        assert stream.response.status == 400
    async with streaming(server, POSTS, headers=both) as stream:
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    async with streaming(server, POSTS, headers={"Accept": "application/json, text/event-stream;q=0"}) as stream:
        assert stream.response.headers["Content-Type"].startswith("application/json")


async def test_a_wrong_token_and_a_refused_subscription_are_told_by_the_status(server: TestServer):
    async with streaming(server, POSTS, headers={"Authorization": "Bearer wrong"}) as stream:
        assert await refused(stream) == (401, "UNAUTHENTICATED")
    async with streaming(server, "subscription { feedUpdated { id } }") as stream:
        assert await refused(stream) == (401, "UNAUTHENTICATED")


async def test_silence_is_filled_with_comments(start_server):
    server = await start_server(sse_heartbeat_s=0.05)
    ann = await server.person()
    async with streaming(server, POSTS) as stream:
        await asyncio.sleep(0.3)
        await ann.post("heard")
        assert await stream.content() == "heard"
        assert stream.comments >= 2


async def test_a_client_that_leaves_is_forgotten_at_once(server: TestServer):
    hub, connections = server.running.app[HUB], server.running.app[CONNECTIONS]
    async with streaming(server, POSTS):
        assert (len(hub._groups), len(connections.open)) == (1, 1)
    await until(lambda: not hub._groups and not connections.open, timeout_s=1)


async def test_streams_and_sockets_of_a_caller_are_counted_together(start_server):
    server = await start_server(max_sockets_per_user=2)
    ann = await server.person()
    socket = await server.socket(ann.token)
    async with streaming(server, POSTS, headers=ann.headers) as stream:
        assert stream.response.status == 200
        async with streaming(server, POSTS, headers=ann.headers) as another:
            assert await refused(another) == (429, "TOO_MANY_OPERATIONS")
    await socket.close()


async def test_signing_out_ends_the_streams_of_that_session(server: TestServer):
    ann, ben = await server.person(), await server.person()
    async with streaming(server, POSTS, headers=ann.headers) as hers, streaming(server, POSTS, headers=ben.headers) as his:
        await ann.graphql("mutation { signOut }")
        assert (await asyncio.wait_for(hers.next(), 2))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert await hers.event() == {"event": "complete", "data": ""}
        await ben.post("still here")
        assert await his.content() == "still here"


async def test_the_end_of_a_post_completes_its_stream(server: TestServer):
    ann = await server.person()
    post_id = await ann.post()
    async with streaming(server, "subscription($id: ID!) { postUpdated(id: $id) { id } }", id=post_id) as stream:
        await ann.graphql("mutation($id: ID!) { deletePost(id: $id) { id } }", id=post_id)
        assert (await stream.next())["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert await stream.event() == {"event": "complete", "data": ""}


async def test_a_reader_who_takes_nothing_is_cut_off_and_resumes(start_server):
    server = await start_server(ws_stalled_s=1)
    ann = await server.person()
    again = " ".join(f"c{number}: content" for number in range(10))
    async with streaming(server, f"subscription {{ postAdded {{ content {again} }} }}") as stream:
        assert stream.response.connection is not None
        transport = stream.response.connection.transport
        assert transport is not None
        transport.pause_reading()
        written = [str(number) + "🐌" * 4_000 for number in range(60)]
        for content in written:
            await ann.post(content)
        await until(lambda: not server.running.app[CONNECTIONS].open)
        transport.resume_reading()
        heard, cursor = [], ""
        try:
            while event := await stream.event():
                heard.append(json.loads(event["data"])["data"]["postAdded"]["content"])
                cursor = event["id"]
        except (aiohttp.ClientError, ValueError):
            pass  # cut off in the midst of an event
    assert 0 < len(heard) < len(written)
    async with streaming(server, POSTS, headers={"Last-Event-ID": cursor}) as stream:
        heard += [await stream.content() for _ in range(len(written) - len(heard))]
    assert heard == written


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/events?topics=posts"])
async def test_a_client_that_leaves_while_its_stream_begins_is_no_error(start_server, monkeypatch, path):
    server = await start_server()

    async def left(*_args):
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    monkeypatch.setattr("aiohttp.web.StreamResponse.prepare", left)
    params = {"query": "subscription { postAdded { id } }"} if path == "/graphql" else {}
    with capture_logs() as lines, pytest.raises(aiohttp.ClientError):
        await server.http.get(f"{server.url}{path}", params=params, headers=STREAM)
    assert [line for line in lines if line["log_level"] == "error"] == []
