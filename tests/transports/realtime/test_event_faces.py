"""GET /api/v1/events: server-sent events, long polls and short polls of the same events."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from app import services
from app.domain.events import EventCursor
from app.infra import event_log
from tests.clients import Person, TestServer
from tests.live.nodes import until
from tests.live.ways import EVENTS, REST_WAYS, Frame, Listening, first, frames, sse
from tests.transports.realtime.event_faces import KEYS, ask, brief, delete, head, hide, like, listening


@pytest.mark.parametrize("way", REST_WAYS)
async def test_an_event_has_these_keys_in_this_order_and_the_post_as_rest_shows_it(server: TestServer, way) -> None:
    ana = await server.person()
    start = await head(server)
    id_ = await ana.post("Zoë\n🐌", title="T")

    [event] = await first(1, way(listening(server), start))

    assert event.raw is not None
    assert b"\n" not in event.raw
    shown = json.loads(event.raw)
    async with server.http.get(f"{server.url}/api/v1/posts/{id_}") as response:
        resource = await response.json()
    assert list(shown) == KEYS
    assert list(shown["post"].items()) == list(resource.items())
    assert shown["type"] == "post.created"
    assert shown["topics"] == ["posts", f"author:{ana.id}", f"post:{id_}"]
    assert shown["at"][-5] == "."
    assert EventCursor.parse(shown["cursor"]) > EventCursor.parse(start)
    assert event.raw.startswith(b'{"cursor":"' + shown["cursor"].encode() + b'","type":"post.created","at":"')


async def test_every_way_tells_edits_counters_and_deletions_in_the_same_bytes(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    start = await head(server)
    live = [asyncio.create_task(first(6, way(listening(server), start))) for way in REST_WAYS]
    one = await ana.post("one")
    await like(bob, one)
    two = await bob.post("two", inReplyToId=one)
    await ana.graphql('mutation($id: ID!) { editPost(input: {id: $id, content: "1"}) { post { id } } }', id=one)
    await like(bob, one, services.likes.remove)
    told = await asyncio.gather(*live)

    again = [await first(6, way(listening(server), start)) for way in REST_WAYS]
    for events in [*told, *again]:
        assert events == told[0]
    created, counters = "post.created", "post.counters"
    assert brief(told[0]) == [
        (created, one),
        (counters, one),
        (created, two),
        (counters, one),
        ("post.edited", one),
        (counters, one),
    ]
    assert [json.loads(event.raw or b"")["post"]["likesCount"] for event in told[0]] == [0, 1, 0, 1, 1, 0]

    await delete(ana, one)
    later = [await first(2, way(listening(server), start)) for way in REST_WAYS]
    assert all(brief(events) == [(created, two), ("post.deleted", one)] for events in later)  # the rest is nobody's business now
    assert json.loads(later[0][1].raw or b"")["post"] == {"postId": one}


async def test_topics_choose_and_the_feed_is_what_the_home_feed_shows(server: TestServer) -> None:
    ana, bob, cyd, dan = [await server.person() for _ in range(4)]
    await dan.follow(ana)
    start = await head(server)
    by_ana, by_bob, by_cyd = [await person.post() for person in (ana, bob, cyd)]
    own = await dan.post()
    talk = await ana.post("to somebody whom Dan does not know", inReplyToId=by_bob)
    to_dan = await ana.post("to Dan", inReplyToId=own)
    await dan.follow(bob)
    later = await bob.post("now he does")
    end = await head(server)

    async def heard(topics: str, person: Person | None = None) -> list[str]:
        _, headers, body = await ask(server, person.headers if person else None, topics=topics, after=start)
        assert headers["Feedgraph-Cursor"] == end
        return [event["post"]["postId"] for event in body["events"] if event["type"] == "post.created"]

    assert await heard("posts") == [by_ana, by_bob, by_cyd, own, talk, to_dan, later]
    assert await heard(f"author:{ana.id},post:{by_cyd}, author:{ana.id}") == [by_ana, by_cyd, talk, to_dan]
    feed = await heard("feed", dan)
    assert feed == [by_ana, by_bob, own, talk, to_dan, later]  # by whom Dan follows now, as his home feed
    async with server.http.get(f"{server.url}/api/v1/feed", headers=dan.headers) as response:
        assert [post["postId"] for post in await response.json()] == feed[::-1]
    assert [event.id for event in await first(3, sse(listening(server, "feed", ana), start))] == [by_ana, talk, to_dan]


async def test_a_stream_of_the_feed_hears_of_a_new_follow_at_once(server: TestServer) -> None:
    ana, bob = await server.person(), await server.person()
    stream = sse(listening(server, "feed", bob), await head(server))
    heard: list[str] = []

    async def hear() -> None:
        async for event in stream:
            heard.append(event.id)

    hearing = asyncio.create_task(hear())
    # Whom he follows is looked up when an event is delivered: each is awaited before that changes.
    await ana.post("not yet")
    own = await bob.post()
    await until(lambda: heard == [own])
    await bob.follow(ana)
    seen = await ana.post()
    await until(lambda: heard == [own, seen])
    await bob.graphql("mutation($id: ID!) { unfollowUser(id: $id) { user { id } } }", id=ana.id)
    await ana.post("no more")
    last = await bob.post()
    await until(lambda: heard == [own, seen, last])
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)


@pytest.mark.parametrize("way", REST_WAYS)
async def test_what_is_hidden_looks_deleted_to_all_but_its_author(server: TestServer, way) -> None:
    ana, bob = await server.person(), await server.person()
    start = await head(server)
    post = await ana.post()
    await hide(server, post)
    await like(ana, post)

    marker = await bob.post()
    ended, new = ("post.deleted", post), ("post.created", marker)
    for reader in (None, bob):
        assert brief(await first(2, way(listening(server, person=reader), start))) == [ended, new]
    assert [type_ for type_, id_ in brief(await first(4, way(listening(server, person=ana), start))) if id_ == post] == [
        "post.created",
        "post.edited",
        "post.counters",
    ]

    await hide(server, post, hidden=False)
    assert brief(await first(5, way(listening(server), start)))[-1] == ("post.edited", post)
    await hide(server, post)
    await delete(ana, post)
    last = await bob.post()
    assert brief(await first(4, way(listening(server), start))) == [ended, new, ended, ("post.created", last)]


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({}, 422, "BAD_USER_INPUT"),
        ({"topics": ""}, 422, "BAD_USER_INPUT"),
        ({"topics": ","}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts,"}, 422, "BAD_USER_INPUT"),
        ({"topics": "user:1"}, 422, "BAD_USER_INPUT"),
        ({"topics": "session:1"}, 422, "BAD_USER_INPUT"),
        ({"topics": "author:"}, 422, "BAD_USER_INPUT"),
        ({"topics": "author:-1"}, 422, "BAD_USER_INPUT"),
        ({"topics": "author:01"}, 422, "BAD_USER_INPUT"),
        ({"topics": "post:9223372036854775808"}, 422, "BAD_USER_INPUT"),
        ({"topics": "post:٣"}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts\0"}, 422, "BAD_USER_INPUT"),
        ({"topics": ",".join(f"post:{number}" for number in range(1, 52))}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts", "wait": "-1"}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts", "wait": "nan"}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts", "wait": "1e9"}, 422, "BAD_USER_INPUT"),
        ({"topics": "posts", "after": "x"}, 400, "CURSOR_INVALID"),
        ({"topics": "posts", "after": "1-"}, 400, "CURSOR_INVALID"),
        ({"topics": "posts", "after": "1-99999999999999999999"}, 400, "CURSOR_INVALID"),
        ({"topics": "feed"}, 401, "UNAUTHENTICATED"),
        ({"topics": "feed", "after": "x"}, 401, "UNAUTHENTICATED"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_what_cannot_be_answered_is_a_coded_problem(server: TestServer, params, status, code, accept) -> None:
    answer = await ask(server, {"Accept": accept}, **params)
    assert (answer[0], answer[2]["code"]) == (status, code)
    assert answer[1]["Content-Type"].startswith("application/problem+json")


async def test_odd_requests_are_refused(server: TestServer) -> None:
    epoch = EventCursor.parse(await head(server)).epoch
    assert (await ask(server, topics="posts", after=f"{epoch}-1"))[2]["code"] == "CURSOR_INVALID"  # from the future
    assert (await ask(server, {"Last-Event-ID": "x"}, topics="posts"))[2]["code"] == "CURSOR_INVALID"
    assert (await ask(server, {"Accept": "text/html"}, topics="posts"))[2]["code"] == "NOT_ACCEPTABLE"
    assert (await ask(server, {"Authorization": "Bearer forged"}, topics="posts"))[0] == 401
    async with server.http.post(server.url + EVENTS, json={}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,OPTIONS")


async def test_the_later_of_two_cursors_wins(server: TestServer) -> None:
    ana = await server.person()
    start = await head(server)
    await ana.post("one")
    middle = await head(server)
    two = await ana.post("two")
    await head(server)
    for after, last_seen in ((start, middle), (middle, start), (middle, "")):
        _, _, body = await ask(server, {"Last-Event-ID": last_seen}, topics="posts", after=after)
        assert [event["post"]["postId"] for event in body["events"]] == [two]
    stream = Listening(server.http, server.url, headers={"Last-Event-ID": middle})
    assert [event.id for event in await first(1, sse(stream, start))] == [two]


async def test_a_short_poll_tells_where_to_go_on_and_when(server: TestServer) -> None:
    ana = await server.person()
    status, headers, body = await ask(server, topics="posts")  # no cursor: from now on
    assert (status, body) == (200, {"events": [], "cursor": await head(server), "gap": None, "more": False})
    assert headers["ETag"] == f'"{body["cursor"]}"'
    assert (headers["Retry-After"], headers["Cache-Control"]) == ("2", "private, no-cache")

    again = {"topics": "posts", "after": body["cursor"]}
    with_tag = {"If-None-Match": f'"x", W/{headers["ETag"]}'}
    status, headers, nothing = await ask(server, with_tag, **again)
    assert (status, nothing, headers["Feedgraph-Cursor"]) == (304, None, body["cursor"])
    id_ = await ana.post()
    end = await head(server)
    status, headers, body = await ask(server, with_tag, **again)
    assert (status, [event["post"]["postId"] for event in body["events"]], body["cursor"]) == (200, [id_], end)


async def test_a_long_log_comes_in_pages_without_a_tag_until_the_last(server: TestServer) -> None:
    start = EventCursor.parse(await head(server))
    rows = [("post.deleted", ["posts"], number) for number in range(1, 251)]
    await server.running.resources.db.copy_records("outbox", columns=("type", "topics", "subject_id"), records=rows)
    server.running.resources.relay.wake()
    await until(lambda: server.running.resources.tail.cursor.position == start.position + 250)
    seen, after, shapes = [], str(start), []
    while True:
        _, headers, body = await ask(server, topics="posts", after=after)
        seen += [int(event["post"]["postId"]) for event in body["events"]]
        shapes.append((len(body["events"]), body["more"], "ETag" in headers, headers["Retry-After"]))
        after = body["cursor"]
        if not body["more"]:
            break
    assert seen == list(range(1, 251))
    assert shapes == [(100, True, False, "0"), (100, True, False, "0"), (50, False, True, "2")]


async def test_a_long_poll_waits_for_news_and_then_says_where_to_go_on(server: TestServer) -> None:
    ana = await server.person()
    start = await head(server)
    waiting = asyncio.create_task(ask(server, topics=f"author:{ana.id}", after=start, wait="20"))
    await (await server.person()).post("of no concern")
    id_ = await ana.post()
    status, headers, body = await waiting
    assert (status, [event["post"]["postId"] for event in body["events"]]) == (200, [id_])
    assert headers["Preference-Applied"] == "wait=20"

    end = await head(server)
    status, headers, body = await ask(server, topics="post:1", after=start, wait="0.05")
    assert (status, body, headers["Feedgraph-Cursor"]) == (204, None, end)  # it need not look through that again


async def test_the_longest_wait_is_the_servers(start_server) -> None:
    server = await start_server(long_poll_max_s=0.05)
    status, headers, _ = await ask(server, topics="posts", wait="99999")
    assert (status, headers["Preference-Applied"]) == (204, "wait=0.05")


@pytest.mark.parametrize("way", REST_WAYS)
async def test_what_left_the_log_is_a_gap_and_the_rest_follows(server: TestServer, way) -> None:
    ana, resources = await server.person(), server.running.resources
    start = await head(server)
    ids = [await ana.post(str(number)) for number in range(4)]
    end = EventCursor.parse(await head(server))
    await event_log.discard_before(resources.db, datetime(2000, 1, 1, tzinfo=UTC), keep=2)
    resources.tail._start_anew(end)  # as a process that starts now: it remembers nothing

    gap, *rest = await first(3, way(listening(server), start))
    middle = str(EventCursor(end.epoch, end.position - 2))
    assert (gap.type, gap.id, gap.cursor) == ("gap", start, middle)
    assert [event.id for event in rest] == ids[2:]
    elsewhere = f"{end.epoch - 5}-7"
    [gap] = await first(1, way(listening(server), elsewhere))
    assert (gap.type, gap.id, gap.cursor) == ("gap", elsewhere, str(end))


async def test_the_stream_is_fit_for_proxies_and_lives(start_server) -> None:
    server = await start_server(sse_heartbeat_s=0.05)
    async with server.http.get(
        server.url + EVENTS, params={"topics": "posts"}, headers={"Accept": "text/event-stream"}
    ) as answer:
        assert answer.status == 200
        sent = {name: answer.headers[name] for name in ("Content-Type", "Cache-Control", "X-Accel-Buffering")}
        assert sent == {
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
        }
        stream = frames(answer)
        begin: Frame = await anext(stream)
        assert 200 <= int(begin.fields["retry"]) <= 3_000
        assert begin.fields["id"] == await head(server)  # a client that breaks off before the first event resumes from here
        for _ in range(2):
            beat = await asyncio.wait_for(anext(stream), 5)
            assert (beat.fields, beat.comments) == ({}, 1)
        ana = await server.person()
        id_ = await ana.post()
        async for frame in stream:
            if frame.fields:
                assert json.loads(frame.fields["data"])["post"]["postId"] == id_
                break
