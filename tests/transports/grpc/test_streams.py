"""Events.Follow: the log's events from a cursor on, bounded for readers who do not read, and every end with a cursor."""

import asyncio
import dataclasses
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2

from app import services
from app.transports.grpc import calls
from app.transports.grpc import server as face
from app.transports.grpc.stubs import events_pb2, posts_pb2
from tests.clients import Person, TestServer
from tests.conftest import make_settings
from tests.grpc_calls import Refusal, Stubs, connected, opened, read, signed
from tests.live.ways import EVENTS, Heard, told

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

SOON_S = 2.0
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SMALL_WINDOW = (("grpc.http2.lookahead_bytes", 64 * 1024), ("grpc.http2.bdp_probe", 0))


def follow(stubs: Stubs, *topics: str, after: str | None = None, person: Person | None = None) -> Any:
    """Begin a stream."""
    return stubs.events.Follow(events_pb2.FollowEventsRequest(topics=topics, after=after), metadata=signed(person))


async def begun(stream: Any) -> str:
    """Wait until the server has begun a stream; return the cursor of its beginning."""
    return {key: value for key, value in await stream.initial_metadata()}["feedgraph-cursor"]


async def end_of(stream: Any, timeout_s: float = 10, got: list[str] | None = None) -> Refusal:
    """Read a stream to its end; return the status that ended it. The ids that still come are added to `got`."""
    async with asyncio.timeout(timeout_s):
        try:
            while (event := await stream.read()) is not aio.EOF:
                if got is not None:
                    got.append(event.id)
        except aio.AioRpcError as error:
            return opened(error.code(), error.details() or "", error.trailing_metadata())
    raise AssertionError("it ended as if nothing more could come")


def brief(events: Any) -> list[tuple[str, str]]:
    """Return what events are about."""
    return [(event.type, event.id) for event in events]


async def test_what_was_missed_comes_first_and_then_what_happens_each_once(stubs: Stubs, server: TestServer):
    ada, bob = await server.person(), await server.person()
    start = await begun(stream := follow(stubs, "posts"))
    written = [await ada.post(str(number)) for number in range(3)]
    heard = await read(stream, 3)
    assert brief(heard) == [("post.created", id_) for id_ in written]
    assert heard[0].post.content == "0"
    assert heard[0].post.author_id == ada.id
    assert list(heard[0].topics) == ["posts", f"author:{ada.id}", f"post:{written[0]}"]
    stream.cancel()
    written.append(await bob.post("missed"))

    stream = follow(stubs, after=heard[1].cursor)
    assert await begun(stream) == heard[1].cursor
    heard[2:] = await read(stream, 2)
    written.append(await ada.post("live"))
    heard += await read(stream, 1)
    assert [event.id for event in heard] == written
    again = await read(follow(stubs, f"author:{ada.id}", after=start), 4)
    assert [event.cursor for event in again] == [event.cursor for event in heard if event.post.author_id == ada.id]


async def test_a_cursor_of_another_life_is_a_gap_one_of_the_future_or_no_cursor_an_end(stubs: Stubs, server: TestServer):
    ada = await server.person()
    epoch, _, position = (await begun(follow(stubs))).partition("-")
    stream = follow(stubs, after=f"{int(epoch) - 1}-7")
    [gap] = await read(stream, 1)
    assert (gap.type, gap.id, gap.cursor) == ("gap", "", f"{epoch}-{position}")
    assert (getattr(gap.gap, "from"), gap.gap.to) == (f"{int(epoch) - 1}-7", f"{epoch}-{position}")
    id_ = await ada.post()
    assert brief(await read(stream, 1)) == [("post.created", id_)]
    for cursor in (f"{epoch}-{int(position) + 10}", "garbage", "", "1-01"):
        ended = await end_of(follow(stubs, after=cursor))
        assert (ended.status, ended.code) == (StatusCode.OUT_OF_RANGE, "CURSOR_INVALID")


async def heard_over_rest(server: TestServer, person: Person | None, topics: str, after: str) -> list[Heard]:
    """Return what a short poll tells."""
    params = {"topics": topics, "after": after}
    headers = person.headers if person else {}
    async with server.http.get(server.url + EVENTS, params=params, headers=headers) as response:
        return told(await response.read())


async def test_the_sequence_is_that_of_the_other_ways_for_each_viewer(stubs: Stubs, server: TestServer):
    ada, bob = await server.person(), await server.person()
    start = await begun(follow(stubs))
    post = await ada.post("One")
    await stubs.posts.EditPost(posts_pb2.EditPostRequest(post_id=post, content="Two"), metadata=signed(ada))
    await stubs.posts.LikePost(posts_pb2.PostRequest(post_id=post), metadata=signed(bob))
    await ada.follow(bob)
    reply = await bob.post("Yes", inReplyToId=post)
    await services.posts.hide(server.running.resources.db, int(post), hidden=True)
    await stubs.posts.DeletePost(posts_pb2.PostRequest(post_id=reply), metadata=signed(bob))
    last = await bob.post("The last")
    await read(follow(stubs, f"post:{last}", after=start), 1)  # the log has all of it now

    sequences = []
    for person, topics in ((None, ["posts"]), (bob, ["posts"]), (ada, ["posts"]), (ada, ["feed"]), (None, [f"post:{post}"])):
        expected = await heard_over_rest(server, person, ",".join(topics), start)
        got = await read(follow(stubs, *topics, after=start, person=person), len(expected))
        assert [(event.cursor, event.type, event.id) for event in got] == [heard[:3] for heard in expected]
        sequences.append([(event.type, event.id) for event in got])
    assert sequences[0] == sequences[1] != sequences[2]
    assert sequences[0][-1] == ("post.created", last)

    first, *rest = await read(follow(stubs, after=start), len(sequences[0]))
    then = await heard_over_rest(server, None, "posts", first.cursor)
    assert [heard.cursor for heard in then] == [event.cursor for event in rest]


async def test_topics_are_checked_before_anything_is_told(stubs: Stubs):
    for topics, code, field in (
        (["nonsense"], "BAD_USER_INPUT", "topics"),
        (["author:x"], "BAD_USER_INPUT", "topics"),
        ([f"post:{n}" for n in range(1, 52)], "BAD_USER_INPUT", "topics"),
        (["feed"], "UNAUTHENTICATED", None),
    ):
        ended = await end_of(follow(stubs, *topics, after="1-999999"))
        assert (ended.code, ended.field) == (code, field)
        assert "feedgraph-cursor" not in ended.metadata


async def test_signing_out_ends_the_streams_of_that_session_with_a_cursor(stubs: Stubs, server: TestServer):
    ada, bob = await server.person(), await server.person()
    hers, his = follow(stubs, person=ada), follow(stubs, person=bob)
    await begun(hers), await begun(his)
    id_ = await bob.post()
    [event] = await read(hers, 1)
    await ada.graphql("mutation { signOut }")
    ended = await end_of(hers, SOON_S)
    assert (ended.status, ended.code) == (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert ended.metadata["feedgraph-cursor"] == event.cursor
    assert brief(await read(his, 1)) == [("post.created", id_)]
    await server.running.resources.db.execute("update sessions set expires_at = now() + interval '0.5 seconds'")
    short = follow(stubs, person=bob)
    await begun(short)
    assert (await end_of(short)).code == "UNAUTHENTICATED"


async def test_a_reader_who_does_not_read_is_sent_away_and_goes_on_from_the_cursor(start_server, monkeypatch):
    monkeypatch.setattr(calls, "REFUSAL_S", 0.05)
    server = await start_server(grpc=True, grpc_write_timeout_s=0.3)
    ada = await server.person()
    async with connected(server, *SMALL_WINDOW) as stubs:
        start = await begun(stream := follow(stubs))
        written = [await ada.post("🐌" * 5_000) for _ in range(15)]
        got: list[str] = []
        sockets = server.running.resources.budgets._sockets.keys
        while sum(sockets.values()):  # noqa: ASYNC110  # the server has given up
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)  # and does not wait for the reader either
        ended = await end_of(stream, got=got)
        assert (ended.status, ended.code) == (StatusCode.ABORTED, "SLOW_CONSUMER")
        assert 0 < len(got) < len(written)
        others = await read(follow(stubs, after=ended.metadata["feedgraph-cursor"]), len(written) - len(got))
        assert got + [event.id for event in others] == written
        assert [event.id for event in await read(follow(stubs, after=start), len(written))] == written


async def test_a_server_that_stops_says_not_serving_and_sends_streams_away(server: TestServer):
    resources = server.running.resources
    own = dataclasses.replace(resources, settings=make_settings(grpc=True, shutdown_timeout_s=0.5))
    state = {"database": "ok", "redis": "away"}

    async def readiness() -> dict[str, str]:
        return state

    async with face.serving(own, readiness) as served, aio.insecure_channel(own.settings.grpc_address) as channel:
        stubs = Stubs(channel)
        health = stubs.health
        for name in ("", "PostService", "UserService", "FollowService", "FeedService", "SessionService", "Events"):
            assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest(service="Events"))
        assert (await watch.read()).status == SERVING
        stream = follow(stubs)
        cursor = await begun(stream)
        await served.drain()
        ended = await end_of(stream)
        assert (ended.status, ended.code) == (StatusCode.UNAVAILABLE, "GOING_AWAY")
        assert ended.metadata["feedgraph-cursor"] == cursor
        assert ended.retry_after_s is not None
        assert 0.2 <= ended.retry_after_s <= 3
        assert (await watch.read()).status == NOT_SERVING
        assert (
            await end_of_call(stubs.posts.GetLatestPosts(posts_pb2.GetLatestPostsRequest(), timeout=1)) is StatusCode.UNAVAILABLE
        )


async def test_health_follows_what_the_server_stands_on(server: TestServer, monkeypatch):
    monkeypatch.setattr(face, "HEALTH_S", 0.01)
    own = dataclasses.replace(server.running.resources, settings=make_settings(grpc=True, shutdown_timeout_s=0.1))
    state = {"database": "away"}

    async def readiness() -> dict[str, str]:
        return state

    async with face.serving(own, readiness), aio.insecure_channel(own.settings.grpc_address) as channel:
        watch = Stubs(channel).health.Watch(health_pb2.HealthCheckRequest(service=""))
        seen = [(await watch.read()).status]
        state["database"] = "ok"
        while seen[-1] != SERVING:
            seen.append((await watch.read()).status)
        state["database"] = "away"
        seen.append((await watch.read()).status)
        assert seen[-3:] == [NOT_SERVING, SERVING, NOT_SERVING]
        watch.cancel()


async def end_of_call(call: Any) -> StatusCode:
    with pytest.raises(aio.AioRpcError) as raised:
        await call
    return raised.value.code()


async def test_streams_count_among_the_sockets_of_their_caller(start_server):
    server = await start_server(grpc=True, max_sockets_per_address=2)
    async with connected(server) as stubs:
        first, second = follow(stubs), follow(stubs)
        await begun(first), await begun(second)
        ended = await end_of(follow(stubs))
        assert (ended.status, ended.code) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_OPERATIONS")
        first.cancel()
        async with asyncio.timeout(5):
            while (await answer_or_end(follow(stubs))) is None:  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.02)


async def answer_or_end(stream: Any) -> str | None:
    """Return the cursor of a stream's beginning, None where it was refused."""
    beginning = {key: value for key, value in await stream.initial_metadata()}
    return beginning.get("feedgraph-cursor")


async def test_whoever_outruns_their_budget_is_slowed_and_misses_nothing(start_server):
    server = await start_server(grpc=True, anonymous_points=2, anonymous_points_per_s=4)
    ada = await server.person()
    async with connected(server) as stubs:
        await begun(stream := follow(stubs))
        written = [await ada.post(str(number)) for number in range(4)]
        assert [event.id for event in await read(stream, 4)] == written
