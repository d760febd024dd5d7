"""Ways of listening, as clients use them. All hear the same new posts; each notes how late it heard of each."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from app.bench.wire import CannotMeasure, CountingSocket, Traffic

EVENTS = "/api/v1/events"
TOPIC = "posts"
LONG_WAIT_S = 25
SUBSCRIPTION = "subscription($after: EventCursor) { postAdded(after: $after) { id title content createdAt author { id } } }"


@dataclass
class Audience:
    """The clients of one way: their connections, and what they heard."""

    url: str
    token: str
    cursor: str = ""  # all begin behind it
    ready: int = 0
    requests: int = 0
    wasted: int = 0
    connections: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    session: aiohttp.ClientSession = field(init=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def hear(self, created_at: str) -> None:
        """Note that one client heard of a post; server and client are on one clock."""
        self.latencies_ms.append((time.time() - datetime.fromisoformat(created_at).timestamp()) * 1000)

    async def ask(self, **params: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        """Ask for events; return the response and its body.

        Raises:
            CannotMeasure: the server does not answer with events.
        """
        self.requests += 1
        tag = params.pop("tag", "")
        headers = self.headers | ({"If-None-Match": tag} if tag else {})
        query = {"topics": TOPIC, **params}
        async with self.session.get(self.url + EVENTS, params=query, headers=headers) as response:
            body = await response.read()
        if response.status not in {200, 204, 304}:
            raise CannotMeasure(f"{self.url}{EVENTS} answered {response.status}: {body[:200].decode(errors='replace')}.")
        return response, body

    def take(self, body: bytes) -> None:
        """Hear what a poll tells; note one that told nothing."""
        events = orjson.loads(body)["events"] if body else []
        self.wasted += not events
        for event in events:
            if event["type"] == "post.created":
                self.hear(event["post"]["createdAt"])


Client = Callable[[Audience], Awaitable[None]]


def short_polling(interval_s: float) -> Client:
    """Return a client that asks again after each interval."""

    async def listen(audience: Audience) -> None:
        after, tag = audience.cursor, ""
        audience.ready += 1
        while True:
            response, body = await audience.ask(after=after, tag=tag)
            after, tag = response.headers["Feedgraph-Cursor"], response.headers.get("ETag", "")
            audience.take(body)
            await asyncio.sleep(interval_s)

    return listen


async def long_polling(audience: Audience) -> None:
    """Ask, and have the answer wait."""
    after = audience.cursor
    audience.ready += 1
    while True:
        response, body = await audience.ask(after=after, wait=LONG_WAIT_S)
        after = response.headers["Feedgraph-Cursor"]
        audience.take(body)


async def server_sent_events(audience: Audience) -> None:
    """Have events sent."""
    audience.requests += 1
    headers = {"Accept": "text/event-stream", **audience.headers}
    query = {"topics": TOPIC, "after": audience.cursor}
    async with audience.session.get(audience.url + EVENTS, params=query, headers=headers) as response:
        if response.status != 200:
            raise CannotMeasure(f"{audience.url}{EVENTS} answered {response.status}: {await response.text()}.")
        audience.ready += 1
        async for line in response.content:
            if line.startswith(b"data: ") and b'"post.created"' in line:
                audience.hear(orjson.loads(line[6:])["post"]["createdAt"])


async def websocket(audience: Audience) -> None:
    """Subscribe over graphql-transport-ws."""
    audience.requests += 1
    async with audience.session.ws_connect(audience.url + "/graphql", protocols=("graphql-transport-ws",)) as socket:
        await socket.send_json({"type": "connection_init", "payload": audience.headers})
        await socket.receive_json()
        payload = {"query": SUBSCRIPTION, "variables": {"after": audience.cursor}}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
        audience.ready += 1
        async for message in socket:
            told = orjson.loads(message.data)
            if told["type"] == "next":
                audience.hear(told["payload"]["data"]["postAdded"]["createdAt"])
            elif told["type"] == "error":
                raise CannotMeasure(f"{audience.url}/graphql refused the subscription: {told['payload'][0]['message']}.")


@asynccontextmanager
async def opened(url: str, token: str) -> AsyncIterator[Audience]:
    """Give an audience whose connections are counted, with the log's position now as the place to begin.

    Raises:
        CannotMeasure: the server cannot be reached.
    """
    audience = Audience(url.rstrip("/"), token)

    def counting_socket(address: tuple[Any, ...]) -> CountingSocket:
        family, type_, protocol = address[:3]
        audience.connections += 1
        return CountingSocket(audience, family, type_, protocol)

    connector = aiohttp.TCPConnector(limit=0, socket_factory=counting_socket)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        audience.session = session
        try:
            response, _ = await audience.ask()
        except (aiohttp.ClientError, OSError) as error:
            raise CannotMeasure(f"{url} cannot be reached: {error}. Start the server or give another --url.") from error
        audience.cursor = response.headers["Feedgraph-Cursor"]
        audience.requests = 0  # its connection is the first client's
        yield audience
