"""Clients of every way of listening. Each gives what it hears as (cursor, type, id) and, over REST, the event's very bytes."""

import asyncio
import codecs
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

EVENTS = "/api/v1/events"
JSON = {"Accept": "application/json"}
STREAM = {"Accept": "text/event-stream"}


class Heard(NamedTuple):
    """One event; `raw` is None where the way has another form. A gap has the type "gap" and what is missing as its id."""

    cursor: str
    type: str
    id: str
    raw: bytes | None


def heard(raw: bytes) -> Heard:
    """Return the event of its JSON form."""
    event = json.loads(raw)
    return Heard(event["cursor"], event["type"], event["post"]["postId"], raw)


def pieces_of(body: bytes) -> list[bytes]:
    """Return the bytes of each event in a poll's body."""
    decoder, text = json.JSONDecoder(), body.decode()
    at, pieces = text.index("[") + 1, []
    while text[at] != "]":
        at += text[at] == ","
        _, end = decoder.raw_decode(text, at)
        pieces.append(text[at:end].encode())
        at = end
    return pieces


@dataclass
class Frame:
    """One block of an event stream."""

    fields: dict[str, str] = field(default_factory=dict)
    comments: int = 0

    @classmethod
    def parse(cls, block: str) -> "Frame":
        """Return the block's fields (WHATWG HTML, 9.2.6)."""
        frame = cls()
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                frame.fields[name] = value.removeprefix(" ")
            else:
                frame.comments += 1
        return frame


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[Frame]:
    """Give the blocks of a stream until it ends."""
    left, decoder = "", codecs.getincrementaldecoder("utf-8")()
    async for chunk in response.content.iter_any():
        left += decoder.decode(chunk)
        *blocks, left = left.split("\n\n")
        for block in blocks:
            yield Frame.parse(block)


@dataclass
class Listening:
    """Whoever listens: where, to what, as whom."""

    http: aiohttp.ClientSession
    url: str
    topics: str = "posts"
    headers: dict[str, str] = field(default_factory=dict)

    def asked(self, after: str | None, **more: Any) -> dict[str, Any]:
        """Return the arguments of a request for events."""
        params = {"topics": self.topics, **({"after": after} if after else {}), **more}
        return {"url": self.url + EVENTS, "params": params}


async def short_poll(who: Listening, after: str | None, interval_s: float = 0.01) -> AsyncIterator[Heard]:
    """Ask again and again."""
    tag = ""
    while True:
        async with who.http.get(**who.asked(after), headers=JSON | who.headers | {"If-None-Match": tag}) as response:
            body = await response.read()
            assert response.status in {200, 304}, body
            after, tag = response.headers["Feedgraph-Cursor"], response.headers.get("ETag", "")
        for event in told(body):
            yield event
        if response.headers["Retry-After"] != "0":
            await asyncio.sleep(interval_s)


async def long_poll(who: Listening, after: str | None, wait_s: float = 20) -> AsyncIterator[Heard]:
    """Ask, and wait for the answer."""
    while True:
        async with who.http.get(**who.asked(after, wait=wait_s), headers=JSON | who.headers) as response:
            body = await response.read()
            assert response.status in {200, 204}, body
            after = response.headers["Feedgraph-Cursor"]
        for event in told(body):
            yield event


def told(body: bytes) -> list[Heard]:
    """Return what a poll's body tells."""
    if not body:
        return []
    gap = json.loads(body)["gap"]
    first = [Heard(gap["to"], "gap", gap["from"], None)] if gap else []
    return first + [heard(piece) for piece in pieces_of(body)]


async def sse(who: Listening, after: str | None) -> AsyncIterator[Heard]:
    """Listen to server-sent events."""
    async with who.http.get(**who.asked(after), headers=STREAM | who.headers) as response:
        assert response.status == 200, await response.text()
        async for frame in frames(response):
            if frame.fields.get("event") == "gap":
                yield Heard(frame.fields["id"], "gap", json.loads(frame.fields["data"])["from"], None)
            elif "data" in frame.fields:
                event = heard(frame.fields["data"].encode())
                assert (frame.fields["id"], frame.fields["event"]) == (event.cursor, event.type)
                yield event


SUBSCRIPTION = "subscription($after: EventCursor) { postAdded(after: $after) { id } }"


def of_next(payload: dict[str, Any]) -> Heard:
    """Return what a `next` of the subscription tells."""
    extensions = payload["extensions"]
    if "gap" in extensions:
        return Heard(extensions["cursor"], "gap", extensions["gap"]["from"], None)
    return Heard(extensions["cursor"], "post.created", payload["data"]["postAdded"]["id"], None)


async def websocket(who: Listening, after: str | None) -> AsyncIterator[Heard]:
    """Listen to new posts over graphql-transport-ws."""
    async with who.http.ws_connect(who.url + "/graphql", protocols=("graphql-transport-ws",)) as ws:
        await ws.send_json({"type": "connection_init", "payload": who.headers})
        await ws.receive_json()
        payload = {"query": SUBSCRIPTION, "variables": {"after": after}}
        await ws.send_json({"type": "subscribe", "id": "1", "payload": payload})
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT and (told := json.loads(message.data))["type"] == "next":
                yield of_next(told["payload"])


async def graphql_sse(who: Listening, after: str | None) -> AsyncIterator[Heard]:
    """Listen to new posts over GraphQL's own event streams."""
    body = {"query": SUBSCRIPTION, "variables": {"after": after}}
    async with who.http.post(who.url + "/graphql", json=body, headers=STREAM | who.headers) as response:
        assert response.status == 200, await response.text()
        async for frame in frames(response):
            if frame.fields.get("event") == "next":
                yield of_next(json.loads(frame.fields["data"]))


REST_WAYS = (short_poll, long_poll, sse)
GRAPHQL_WAYS = (websocket, graphql_sse)


async def first(number: int, way: AsyncIterator[Heard], timeout_s: float = 15) -> list[Heard]:
    """Return the first events that come, so many."""
    events: list[Heard] = []
    async with asyncio.timeout(timeout_s):
        async for event in way:
            events.append(event)
            if len(events) == number:
                break
    await way.aclose()  # type: ignore[attr-defined]  # they are generators
    return events
