"""A caller's next request need not ask PostgreSQL who it is, and still nobody who signed out is let in."""

import asyncio

import pytest

from app import services
from app.domain.errors import Unauthenticated
from tests.clients import TestServer

KEPT = {"session_cache_s": 60.0}


async def statements_to_authenticate(server: TestServer, token: str) -> int:
    """Return how many statements it takes to know whose the token is."""
    ctx = await server.context()
    await services.sessions.authenticate(ctx, token)
    return ctx.counts.statements


async def test_a_session_is_looked_up_once_in_its_time(start_server):
    server = await start_server(**KEPT)
    token = (await server.person()).token
    assert [await statements_to_authenticate(server, token) for _ in range(3)] == [1, 0, 0]


async def test_without_a_time_each_request_looks_it_up(start_server):
    server = await start_server(session_cache_s=0.0)
    token = (await server.person()).token
    assert [await statements_to_authenticate(server, token) for _ in range(2)] == [1, 1]


async def test_signing_out_here_is_known_at_once(start_server):
    server = await start_server(**KEPT)
    ann = await server.person()
    await statements_to_authenticate(server, ann.token)
    assert (await ann.graphql("mutation { signOut }")).data == {"signOut": True}
    with pytest.raises(Unauthenticated):
        await statements_to_authenticate(server, ann.token)


async def test_a_session_that_ended_while_it_was_looked_up_is_not_remembered(start_server):
    server = await start_server(**KEPT)
    ann = await server.person()
    ctx = await server.context()
    seen = await services.sessions.authenticate(ctx, ann.token)  # as another request sees it, which goes on after the end
    before = ctx.resources.tail.cursor
    assert (await ann.graphql("mutation { signOut }")).data == {"signOut": True}
    async with asyncio.timeout(10):
        await ctx.resources.tail.growth(before)
    assert ctx.resources.sessions.get(ann.token) is None  # the log's word of it is taken in

    ctx.resources.sessions.add(ann.token, seen)

    with pytest.raises(Unauthenticated):
        await statements_to_authenticate(server, ann.token)


async def test_signing_out_elsewhere_is_known_when_the_log_tells_of_it(start_server):
    here, there = await start_server(**KEPT), await start_server(**KEPT)
    ann, ben = await here.person(), await here.person()
    for person in (ann, ben):
        await statements_to_authenticate(there, person.token)
    tail = there.running.resources.tail
    before = tail.cursor
    await ann.graphql("mutation { signOut }")
    async with asyncio.timeout(10):
        await tail.growth(before)
    with pytest.raises(Unauthenticated):
        await statements_to_authenticate(there, ann.token)
    assert await statements_to_authenticate(there, ben.token) == 0


async def test_an_expired_session_is_not_believed(start_server):
    server = await start_server(**KEPT)
    token = (await server.person()).token
    await server.running.resources.db.execute("update sessions set expires_at = now() + interval '1 second'")
    await statements_to_authenticate(server, token)
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated):
        await statements_to_authenticate(server, token)
