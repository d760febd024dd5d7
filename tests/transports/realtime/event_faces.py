"""What the tests of `/api/v1/events` share: asking it in every way, and doing what it tells of."""

import asyncio
import json

import pytest

from app import services
from tests.clients import Person, TestServer
from tests.live.ways import EVENTS, Heard, Listening

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

KEYS = ["cursor", "type", "at", "topics", "post"]


def listening(server: TestServer, topics: str = "posts", person: Person | None = None) -> Listening:
    """Return a listener."""
    return Listening(server.http, server.url, topics, person.headers if person else {})


async def ask(server: TestServer, headers: dict[str, str] | None = None, **params):
    """Poll once; return status, headers and body."""
    async with server.http.get(server.url + EVENTS, params=params, headers=headers or {}) as response:
        body = await response.read()
        return response.status, response.headers, json.loads(body) if body else None


async def head(server: TestServer) -> str:
    """Return the log's head once this process knows all of it."""
    resources = server.running.resources
    while await resources.db.fetchval("select exists (select from outbox)"):
        resources.relay.wake()
        await asyncio.sleep(0.005)
    await resources.tail.catch_up()
    return str(resources.tail.cursor)


def brief(events: list[Heard]) -> list[tuple[str, str]]:
    """Return what events are about."""
    return [(event.type, event.id) for event in events]


async def hide(server: TestServer, id_: str, *, hidden: bool = True) -> None:
    """Hide a post, or show it again."""
    await services.posts.hide(server.running.resources.db, int(id_), hidden=hidden)
    await head(server)


async def like(person: Person, id_: str, verb=services.likes.add) -> None:
    """Like a post."""
    await verb(await person.server.context(person), int(id_))


async def delete(person: Person, id_: str) -> None:
    """Delete a post."""
    await services.posts.delete(await person.server.context(person), int(id_))
    await head(person.server)
