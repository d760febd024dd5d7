"""The hub: one execution for all who ask the same, and nothing that one viewer alone may see in what all get."""

import json
from typing import Any

import pytest

from app import services
from app.transports.graphql.subscriptions import Subscription
from tests.clients import TestServer
from tests.live.nodes import until
from tests.transports.realtime.hubs import CHANGED, DELETE, EDIT, FEED, LIKE, LIKED, POSTS, data, hub_of, listening, quiet_until


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of the events that were executed, each time one was."""
    positions: list[int] = []
    shown = Subscription.shown

    async def counted(self: Subscription, post: Any, cursor: Any) -> Any:
        positions.append(cursor.position)
        return await shown(self, post, cursor)

    monkeypatch.setattr(Subscription, "shown", counted)
    return positions


# Sharing.


async def test_an_event_is_executed_once_for_all_who_ask_the_same(server: TestServer, executions: list[int]):
    people = [await server.person() for _ in range(3)]
    sockets = [await server.socket(token) for token in (None, None, *(person.token for person in people))]
    ids = ["1", "22", 'a "quoted" one', "ü", "00000000-0000-0000-0000-000000000000"]
    head = sockets[0].ack["payload"]["cursor"]
    for socket, id_ in zip(sockets, ids, strict=True):
        await socket.subscribe(POSTS, id_, **({"after": head} if id_ == "22" else {}))  # where one begins shows nothing else
    await listening(server, 5)
    post_id = await people[0].post()
    messages = [await socket.receive() for socket in sockets]
    assert [message.pop("id") for message in messages] == ids
    [message] = {json.dumps(message) for message in messages}
    assert json.loads(message)["payload"]["data"]["postAdded"]["id"] == post_id
    assert executions == [1]


async def test_other_variables_and_other_texts_are_executed_apart(server: TestServer, executions: list[int]):
    ann = await server.person()
    socket = await server.socket()
    await socket.subscribe(POSTS, "all")
    await socket.subscribe(POSTS, "ann", author=ann.id)
    await socket.subscribe(POSTS, "ann too", author=ann.id, after=socket.ack["payload"]["cursor"])
    await socket.subscribe(POSTS, "nobody", author="1")
    await socket.subscribe(POSTS.replace("name", "username"), "another")
    await listening(server, 5)
    await ann.post()
    heard = {
        message["id"]: message["payload"]["data"]["postAdded"]["author"] for message in [await socket.receive() for _ in range(4)]
    }
    name = {"name": ann.username.title()}
    assert heard == {"all": name, "ann": name, "ann too": name, "another": {"username": ann.username}}
    assert executions == [1, 1, 1]
    await quiet_until(socket)


async def test_what_depends_on_the_viewer_is_executed_for_each_viewer(server: TestServer, executions: list[int]):
    ann, ben = await server.person(), await server.person()
    post_id = await ann.post("liked")
    tokens = (ann.token, ben.token, ben.token, None)
    sockets = [await server.socket(token) for token in tokens]
    for socket in sockets:
        await socket.subscribe(LIKED, id=post_id)
    await listening(server, 4)
    await ben.graphql(LIKE, id=post_id)
    heard = [(await data(socket))["viewerHasLiked"] for socket in sockets]
    assert heard == [False, True, True, False]
    assert len(executions) == 3  # Ann, Ben, and whoever is anonymous


async def test_replies_of_a_post_are_those_that_each_viewer_may_see(server: TestServer, db):
    ann, ben = await server.person(), await server.person()
    post_id = await ann.post("asks")
    reply_id = await ben.post("hidden answer", inReplyToId=post_id)
    await services.posts.hide(db, int(reply_id), hidden=True)
    sockets = [await server.socket(token) for token in (ann.token, ben.token)]
    for socket in sockets:
        await socket.subscribe("subscription($id: ID!) { postUpdated(id: $id) { replies { id } } }", id=post_id)
    await ben.graphql(LIKE, id=post_id)
    assert [await data(socket) for socket in sockets] == [{"replies": []}, {"replies": [{"id": reply_id}]}]


async def test_groups_end_with_their_last_listener(server: TestServer):
    ann = await server.person()
    sockets = [await server.socket(ann.token) for _ in range(3)]
    for socket in sockets:
        for index in range(3):
            await socket.subscribe(POSTS, str(index), author=str(index + 1))
    await listening(server, 9)
    hub = hub_of(server)
    assert (len(hub._groups), dict(hub.viewers)) == (3, {int(ann.id): 9})
    await sockets[0].send({"type": "complete", "id": "0"})
    for socket in sockets[1:]:
        await socket.close()
    await listening(server, 2)
    assert len(hub._groups) == 2
    await sockets[0].close()
    await until(lambda: not (hub._groups or hub._by_topic or hub.viewers or hub._sessions))


async def test_a_caller_pays_once_for_an_event_however_many_of_its_listeners_hear_it(start_server):
    server = await start_server(signed_in_points_per_s=1)
    ann, ben = await server.person(), await server.person()
    sockets = [await server.socket(ann.token) for _ in range(4)]
    for socket in sockets:
        await socket.subscribe(POSTS)
    await listening(server, 4)
    left = server.running.resources.budgets.standing((await server.context(ann)).caller).remaining
    for _ in range(3):
        await ben.post()
        for socket in sockets:
            await data(socket)
    spent = left - server.running.resources.budgets.standing((await server.context(ann)).caller).remaining
    assert 2 * 3 - 3 <= spent <= 2 * 3  # two points an event, less what flowed back


# One post.


async def test_a_post_is_told_of_its_edits_likes_and_replies(server: TestServer):
    ann = await server.person()
    post_id = await ann.post("first")
    socket = await server.socket()
    await socket.subscribe(CHANGED, id=post_id)
    await ann.graphql(EDIT, id=post_id, content="second")
    assert await data(socket) == {"content": "second", "likesCount": 0, "repliesCount": 0}
    await ann.graphql(LIKE, id=post_id)
    assert (await data(socket))["likesCount"] == 1
    await ann.graphql(LIKE, id=post_id)  # changes nothing, and tells nothing
    await ann.post("a reply", inReplyToId=post_id)
    assert (await data(socket))["repliesCount"] == 1
    await ann.post("another post")
    await quiet_until(socket)


async def test_the_end_of_a_post_is_told_and_completes_the_stream(server: TestServer):
    ann = await server.person()
    post_id = await ann.post("first")
    late, socket = await server.socket(), await server.socket()
    await socket.subscribe(CHANGED, id=post_id)
    await listening(server, 1)
    await ann.graphql(DELETE, id=post_id)
    last = await socket.receive()
    assert last["payload"]["data"] is None
    assert last["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert last["payload"]["extensions"]["cursor"].endswith("-2")
    assert (await socket.receive())["type"] == "complete"
    await late.subscribe(CHANGED, id=post_id, after=late.ack["payload"]["cursor"])
    refused = await late.receive()
    assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "NOT_FOUND")


async def test_hiding_a_post_ends_its_streams_but_its_authors(server: TestServer, db):
    ann, ben = await server.person(), await server.person()
    post_id = await ann.post("first")
    sockets = [await server.socket(token) for token in (ann.token, ben.token, None)]
    for socket in sockets:
        await socket.subscribe(CHANGED, id=post_id)
    await listening(server, 3)
    await services.posts.hide(db, int(post_id), hidden=True)
    server.running.resources.relay.wake()
    assert (await data(sockets[0]))["content"] == "first"
    for socket in sockets[1:]:
        assert (await socket.receive())["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert (await socket.receive())["type"] == "complete"
    await ann.graphql(EDIT, id=post_id, content="second")
    assert (await data(sockets[0]))["content"] == "second"


# The home feed.


async def test_a_feed_hears_the_viewers_own_posts_and_those_of_whom_they_follow(server: TestServer):
    ann, ben, cem = [await server.person() for _ in range(3)]
    await ann.follow(ben)
    start = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    hers, his = await server.socket(ann.token), await server.socket(ben.token)
    await hers.subscribe(FEED)
    await his.subscribe(FEED)
    await cem.post("not followed")
    parent = await ben.post("followed")
    await ann.post("own")
    await ben.post("to a stranger", inReplyToId=await cem.post("stranger's"))
    await ben.post("to himself", inReplyToId=parent)
    wanted = ["followed", "own", "to himself"]
    assert [(await data(hers))["content"] for _ in wanted] == wanted
    assert [(await data(his))["content"] for _ in range(3)] == ["followed", "to a stranger", "to himself"]
    await ann.follow(cem)
    await cem.post("followed since")
    assert (await data(hers))["content"] == "followed since"
    page = await ann.graphql(
        "{ feed { nodes { content } } }"
    )  # by the same rule; what was written before following is in it, too
    assert {node["content"] for node in page.data["feed"]["nodes"]} >= {*wanted, "followed since"}
    again = await server.socket(ann.token)
    await again.subscribe(FEED, after=start)
    replayed = {(await data(again))["content"] for _ in range(7)}  # by whom she follows now
    assert replayed == {*wanted, "followed since", "not followed", "stranger's", "to a stranger"}


async def test_a_feed_needs_a_viewer(server: TestServer):
    socket = await server.socket()
    await socket.subscribe(FEED)
    refused = await socket.receive()
    assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")
