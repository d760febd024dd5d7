"""The hub: one execution for all who ask the same, and nothing that one viewer alone may see in what all get."""

import asyncio
import json
from typing import Any

import pytest

from app import services, stores
from app.domain.errors import Unavailable
from app.domain.events import EventCursor, EventType, about_user
from app.infra import event_log
from app.transports.graphql.subscriptions import Subscription
from app.transports.realtime import groups, replay
from app.transports.realtime.hub import HUB, Hub
from tests.clients import Person, Socket, TestServer
from tests.live.nodes import until

POSTS = "subscription($after: EventCursor, $author: ID) { postAdded(after: $after, authorId: $author) { id author { name } } }"
LIKED = "subscription($id: ID!) { postUpdated(id: $id) { content likesCount viewerHasLiked } }"
FEED = "subscription($after: EventCursor) { feedUpdated(after: $after) { content } }"
CHANGED = (
    "subscription($id: ID!, $after: EventCursor) { postUpdated(id: $id, after: $after) { content likesCount repliesCount } }"
)
LIKE = "mutation($id: ID!) { likePost(id: $id) { post { id } } }"
EDIT = "mutation($id: ID!, $content: String!) { editPost(input: {id: $id, content: $content}) { post { id } } }"
DELETE = "mutation($id: ID!) { deletePost(id: $id) { id } }"


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


def hub_of(server: TestServer) -> Hub:
    return server.running.app[HUB]


async def listening(server: TestServer, number: int) -> None:
    """Wait until so many subscriptions have begun."""
    await until(lambda: sum(group.members for group in hub_of(server)._groups.values()) == number)


async def data(socket: Socket) -> Any:
    """Return the data of the next message, which must be a `next` without errors."""
    payload = (await socket.receive())["payload"]
    assert "errors" not in payload, payload
    [value] = payload["data"].values()
    return value


async def quiet_until(socket: Socket, asked: str = "{ __typename }") -> None:
    """Check that nothing waits for this client: the next that it hears is the answer to a question."""
    await socket.subscribe(asked, "quiet")
    assert (await socket.receive())["id"] == "quiet"
    assert (await socket.receive())["type"] == "complete"


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


# Ends.


async def test_the_sockets_of_a_deleted_user_close(server: TestServer):
    ann, ben = await server.person(), await server.person()
    hers, his = await server.socket(ann.token), await server.socket(ben.token)
    await hers.subscribe(POSTS)
    await his.subscribe(POSTS)
    await event_log.append(server.running.resources.db, about_user(EventType.USER_DELETED, int(ann.id)))
    server.running.resources.relay.wake()
    assert (await hers.closed(timeout_s=2))[0] == 4403
    await quiet_until(his)


async def test_a_session_that_ended_before_its_socket_was_watched_is_noticed(server: TestServer):
    """Signing out may fall between looking a token up and watching its session."""
    ann = await server.person()
    ctx = await server.context(ann)
    socket = await server.socket(ann.token)
    await ann.graphql("mutation { signOut }")
    await socket.closed()
    ended: list[Any] = []

    class Late:
        def __init__(self) -> None:
            self.ctx = ctx

        def signed_out(self) -> None:
            ended.append(self)

    late = Late()
    hub = hub_of(server)
    await hub.watch(late, ctx)
    assert ended == [late]
    hub.unwatch(late, ctx)


async def rewritten(author: Person, count: int) -> list[str]:
    return [await author.post(str(number)) for number in range(count)]


async def test_listeners_who_come_and_go_under_writes_hear_everything_once(server: TestServer):
    """Some begin at the head, some behind it; each breaks off at random and comes back with its cursor."""
    authors = [await server.person() for _ in range(4)]
    start = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    total = 120

    async def listen(stops: int) -> list[str]:
        heard: list[str] = []
        cursor = start
        while len(heard) < total:
            socket = await server.socket()
            await socket.subscribe(POSTS, after=cursor)
            for _ in range(min(stops, total - len(heard))):
                payload = (await socket.receive())["payload"]
                cursor = payload["extensions"]["cursor"]
                heard.append(payload["data"]["postAdded"]["id"])
            await socket.close()
        return heard

    listening = [asyncio.create_task(listen(stops)) for stops in (1, 3, 7, 20, 50, 500)]
    await asyncio.gather(*(rewritten(author, total // 4) for author in authors))
    first, *others = await asyncio.gather(*listening)
    assert len(set(first)) == total
    assert all(heard == first for heard in others)


# The database goes away.


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Posts cannot be read while the list has something in it."""
    lasts: list[bool] = []
    read = stores.posts.all_by_ids

    async def failing(db: Any, ids: Any) -> Any:
        if lasts:
            raise Unavailable
        return await read(db, ids)

    monkeypatch.setattr(stores.posts, "all_by_ids", failing)
    monkeypatch.setattr(groups, "PAUSE_S", 0.02)
    monkeypatch.setattr(replay, "PAUSE_S", 0.02)
    return lasts


async def test_an_event_that_cannot_be_read_is_told_when_it_can(server: TestServer, outage: list[bool]):
    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    outage.append(True)
    ids = [await ann.post() for _ in range(2)]
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    await listening(server, 2)
    await asyncio.sleep(0.1)
    outage.clear()
    for socket in (live, late):
        assert [(await data(socket))["id"] for _ in ids] == ids
        await quiet_until(socket)


async def test_listeners_are_sent_away_when_the_outage_lasts(
    server: TestServer, outage: list[bool], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(groups, "OUTAGE_S", 0.1)
    monkeypatch.setattr(replay, "OUTAGE_S", 0.1)
    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    outage.append(True)
    id_ = await ann.post()
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert [(await socket.closed())[0] for socket in (live, late)] == [1013, 1013]
    outage.clear()
    again = await server.socket()
    await again.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert (await data(again))["id"] == id_


async def test_nobody_waits_in_silence_for_what_failed(server: TestServer, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: Any) -> Any:
        raise RuntimeError("not foreseen")

    ann = await server.person()
    live, late = await server.socket(), await server.socket()
    await live.subscribe(POSTS)
    await listening(server, 1)
    monkeypatch.setattr(Subscription, "shown", broken)
    await ann.post()
    await late.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert [(await socket.closed())[0] for socket in (live, late)] == [1013, 1013]
    monkeypatch.undo()
    again = await server.socket()
    await again.subscribe(POSTS, after=late.ack["payload"]["cursor"])
    assert (await data(again))["author"] == {"name": ann.username.title()}


async def test_what_listening_comes_to_is_in_the_metrics(server: TestServer):
    ann = await server.person()
    head = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    await ann.post()
    async with asyncio.timeout(10):  # else the first socket hears of it live
        await server.running.resources.tail.growth(EventCursor.parse(head))
    sockets = [await server.socket() for _ in range(3)]
    await sockets[0].subscribe(POSTS, after=head)
    await data(sockets[0])
    await sockets[1].subscribe(POSTS, after="1-1")  # another life of the log
    await sockets[1].receive()
    await sockets[2].subscribe(POSTS, author=ann.id)
    await listening(server, 3)
    async with server.http.get(f"{server.url}/metrics") as response:
        lines = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line.startswith("feedgraph_"))
    names = ("subscriptions", "subscription_groups", "live_connections", "deliveries_total", "replays_total", "gaps_total")
    assert [float(lines[f"feedgraph_{name}"]) for name in names] == [3, 2, 3, 1, 2, 1]
