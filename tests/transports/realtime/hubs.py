"""What the tests of the hub share: subscriptions, and ways to wait for what the hub does."""

from typing import Any

from app.transports.realtime.hub import HUB, Hub
from tests.clients import Socket, TestServer
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
