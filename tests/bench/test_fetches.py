"""The comparison is fair, its numbers are those of the wire and of the server, and what it cannot measure it says."""

import asyncio
import os
import socket

import pytest
from aiohttp import web

from app.bench import fetches, wire
from app.bench.clients import CLIENTS, careful
from app.bench.fetches import measure, needed_bytes
from app.bench.listeners import listener_of
from app.bench.screens import POSTS, SCREENS, Screen, Target
from app.bench.wire import CannotMeasure
from app.domain.demo import DEMO_TOKEN
from tests.bench.conftest import plan_for, quiet

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

OVER_HTTP = [name for name, client in CLIENTS.items() if not client.speaks_grpc]


def costs_by_client(report, screen):
    """Return the costs of the three clients on a screen."""
    of_screen = {cost.client: cost for cost in report.costs if cost.screen == screen}
    return [of_screen[name] for name in ("naive REST", "careful REST", "GraphQL")]


async def shown(server, report, name):
    """Return a screen as the server gives it now, with what that cost."""
    screen = next(screen for screen in SCREENS if screen.name == name)
    headers = {"Feedgraph-Counts": "1"} | ({"Authorization": f"Bearer {DEMO_TOKEN}"} if screen.signed_in else {})
    answer = await server.graphql(screen.query, screen.variables(report.target), headers=headers)
    return answer.data, answer.body["extensions"]["counts"]


@pytest.mark.parametrize("screen", [screen.name for screen in SCREENS])
async def test_graphql_needs_one_request_and_care_never_costs_more(report, screen):
    naive, careful, graphql = costs_by_client(report, screen)

    assert (graphql.requests, graphql.round_trips) == (1, 1)
    assert naive.round_trips == naive.requests
    for measure_ in ("requests", "round_trips", "statements", "rows", "wire_bytes", "body_bytes", "unneeded_bytes"):
        assert getattr(careful, measure_) < getattr(naive, measure_)
    assert graphql.statements < careful.statements
    for cost in (naive, careful, graphql):
        assert 0 < cost.unneeded_bytes < cost.body_bytes < cost.wire_bytes
        assert cost.distant_ms == cost.wall_ms + 50 * cost.round_trips


async def test_profile_takes_a_request_for_each_author_or_two_or_one(report):
    assert [cost.requests for cost in costs_by_client(report, "profile")] == [1 + 1 + POSTS, 2, 1]
    assert [cost.round_trips for cost in costs_by_client(report, "profile")] == [1 + 1 + POSTS, 1, 1]


async def test_home_feed_takes_the_requests_that_its_people_and_lists_demand(demo_server, report):
    data, _ = await shown(demo_server, report, "home feed")
    posts = data["feed"]["nodes"]
    replies = [reply for post in posts for reply in post["replies"]]
    people = {post["author"]["id"] for post in posts + replies}
    naive, careful, _ = costs_by_client(report, "home feed")

    assert len(posts) == POSTS
    assert replies
    assert naive.requests == 1 + 2 * POSTS + len(replies)
    assert careful.requests == 1 + len(people) + sum(post["repliesCount"] > 0 for post in posts)
    assert careful.round_trips == (3 if {r["author"]["id"] for r in replies} - {p["author"]["id"] for p in posts} else 2)


async def test_thread_takes_the_requests_that_its_people_and_lists_demand(demo_server, report):
    data, _ = await shown(demo_server, report, "thread")
    replies = data["post"]["replies"]
    below = [reply for parent in replies for reply in parent["replies"]]
    people = {post["author"]["id"] for post in [data["post"], *replies, *below]}
    naive, careful, _ = costs_by_client(report, "thread")

    assert len(replies) == POSTS
    assert naive.requests == 3 + 2 * POSTS + len(below)
    assert careful.requests == 2 + len(people) + sum(reply["repliesCount"] > 0 for reply in replies)


async def test_every_way_is_compared_where_that_is_asked_for(demo_server):
    report = await measure(plan_for(demo_server.url, every=True), quiet)
    of_client = {name: [cost for cost in report.costs if cost.client == name] for name in OVER_HTTP}

    assert [len(costs) for costs in of_client.values()] == [len(SCREENS)] * len(OVER_HTTP)
    tuned = of_client["tuned REST"]
    assert [(cost.requests, cost.round_trips) for cost in tuned] == [(2, 1), (1, 1), (2, 1)]
    # A parent that the address names is looked up; people of a level are one statement, and those of all its replies another.
    assert [cost.statements for cost in tuned] == [3, 5, 7]
    assert all(cost.body_bytes < graphql.body_bytes * 1.5 for cost, graphql in zip(tuned, of_client["GraphQL"], strict=True))
    assert all(cost.cpu_ms is not None and cost.cpu_ms >= 0 for cost in report.costs)


def test_the_process_behind_an_address_is_found_on_this_machine_only():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert listener_of(f"http://127.0.0.1:{port}") == os.getpid()
        assert listener_of(f"http://localhost:{port}") == os.getpid()
    assert listener_of(f"http://127.0.0.1:{port}") is None
    assert listener_of("http://192.0.2.1:80") is None


@pytest.mark.parametrize("screen", [screen.name for screen in SCREENS])
async def test_statements_and_rows_are_those_that_the_server_tells(demo_server, report, screen):
    _, counts = await shown(demo_server, report, screen)
    graphql = costs_by_client(report, screen)[-1]

    assert (graphql.statements, graphql.rows) == (counts["statements"], counts["rows"])


@pytest.mark.parametrize("name", OVER_HTTP)
async def test_bytes_are_those_that_pass_between_client_and_server(report, start_relay, name):
    relay = await start_relay()
    screen = next(screen for screen in SCREENS if screen.signed_in)

    async with wire.opened(relay.url) as client:
        client.token = DEMO_TOKEN
        await CLIENTS[name].fetch(client, screen, report.target)

    assert (client.traffic.sent_bytes, client.traffic.received_bytes) == (relay.to_server_bytes, relay.to_client_bytes)
    assert client.traffic.wire_bytes > client.traffic.body_bytes > 0


async def test_different_answers_are_not_compared(start_relay):
    def falsify(received):  # only what REST answers, and no length
        return received.replace(b'"likesCount":0', b'"likesCount":7') if b'"postId"' in received else received

    relay = await start_relay(falsify)
    with pytest.raises(CannotMeasure, match="The profile is not the same for naive REST and for GraphQL"):
        await measure(plan_for(relay.url), quiet)


async def test_progress_goes_from_nothing_to_all(demo_server):
    heard = []
    await measure(plan_for(demo_server.url, runs=2), lambda *step: heard.append(step))

    assert heard[0] == (fetches.GET_READY, 0, 9)
    assert heard[-1] == ("done", 9, 9)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


async def test_least_that_a_screen_needs_counts_each_thing_once_with_all_that_is_shown_of_it():
    ada = {"id": "1", "username": "ada"}
    screen = {"user": {**ada, "bio": "é", "posts": [{"id": "1", "title": None, "author": ada}, {"id": "2", "author": ada}]}}

    least = ['{"id":"1","username":"ada","bio":"é"}', '{"id":"1","title":null}', '{"id":"2"}']
    assert needed_bytes(screen) == sum(len(text.encode()) for text in least)


async def test_a_failed_request_among_many_is_told_as_what_it_is(demo_server):
    async def assemble(rest, _target):
        return await rest.each(rest.get, ["/users/123", "/users/999999999", "/posts/1"])

    screen = Screen("odd", "Nothing.", False, "", lambda _target: {}, assemble)
    async with wire.opened(demo_server.url) as client:
        with pytest.raises(CannotMeasure, match=r"/api/v1/(users/999999999|posts/1) answered 404: There is no such"):
            await careful(client, screen, Target("123", "1"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"user_id": "999999"}, "has no user 999999: name another"),
        ({"user_id": "ada"}, "'ada' is not an id: --user takes a whole number"),
        ({"user_id": "9" * 30}, "is not an id: --user"),
        ({"token": "nobody's"}, "does not know the token"),
        ({"token": "two\r\nlines"}, "characters that no token has"),
        ({"token": ""}, "does not know the token"),
        ({"post_id": "1"}, "Post 1 is not there or has less than 20 replies"),
        ({"post_id": "x"}, "'x' is not an id: --post"),
        ({"url": "here"}, "'here' is not the address of a server"),
        ({"url": "ftp://127.0.0.1"}, "is not the address of a server"),
        ({"url": "http://127.0.0.1:9"}, "http://127.0.0.1:9 cannot be reached: Connection refused. Start the server"),
    ],
)
async def test_what_cannot_be_measured_is_told_in_one_sentence(demo_server, changes, sentence):
    with pytest.raises(CannotMeasure) as refusal:
        await measure(plan_for(**({"url": demo_server.url} | changes)), quiet)

    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_people_with_too_little_to_show_are_refused(demo_server):
    newcomer = await demo_server.person()
    await newcomer.post()

    with pytest.raises(CannotMeasure, match=f"User {newcomer.id} has 1 post and the profile needs 20"):
        await measure(plan_for(demo_server.url, user_id=newcomer.id), quiet)
    with pytest.raises(CannotMeasure, match="The home feed has 1 post and needs 20"):
        await measure(plan_for(demo_server.url, token=newcomer.token), quiet)


async def test_a_world_without_a_long_thread_is_refused(server):
    author = await server.person()
    for number in range(POSTS):
        await author.post(f"Number {number}")

    with pytest.raises(CannotMeasure, match="has the 20 replies of a thread"):
        await measure(plan_for(server.url, user_id=author.id, token=author.token), quiet)


async def test_another_web_server_is_told_from_feedgraph():
    async def answer(_request):
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = "http://{}:{}".format(*runner.addresses[0])
        with pytest.raises(CannotMeasure, match="is not a feedgraph server"):
            await measure(plan_for(url), quiet)
    finally:
        await runner.cleanup()


async def test_what_does_not_speak_http_is_told_from_a_server():
    async def greet(_reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(CannotMeasure, match="cannot be reached"):
            await measure(plan_for(url), quiet)
