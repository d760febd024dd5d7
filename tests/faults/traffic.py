"""Clients who keep count: writers of what was acknowledged, a subscriber who comes back until it has everything."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.clients import Person, TestServer

CREATE = "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }"
ADDED = "subscription($after: EventCursor) { postAdded(after: $after) { id } }"
LATEST = "query($after: Cursor) { latestPosts(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
GONE = (aiohttp.ClientError, ConnectionError, TimeoutError)
RETRIED = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED", "CONFLICT"}  # the last: the first try still runs


@dataclass
class Traffic:
    """What is known on the clients' side."""

    author: Person
    acknowledged: dict[str, str] = field(default_factory=dict)  # idempotency key: id of the post
    heard: list[tuple[str, str]] = field(default_factory=list)  # cursor, id of the post
    failures: list[str] = field(default_factory=list)

    async def write(self, server: TestServer, key: str) -> None:
        """Write one post, again and again until it is acknowledged; its key makes it one."""
        sent = {"content": key, "idempotencyKey": key}
        while key not in self.acknowledged:
            try:
                answer = await server.graphql(CREATE, {"input": sent}, headers=self.author.headers)
            except GONE as error:
                self.failures.append(type(error).__name__)
            else:
                if not answer.codes:
                    self.acknowledged[key] = answer.data["createPost"]["post"]["id"]
                    return
                self.failures += answer.codes
                assert set(answer.codes) <= RETRIED, answer.body
            await asyncio.sleep(0.05)

    async def write_many(self, server: TestServer, name: str, number: int) -> None:
        """Write one post after the other."""
        for count in range(number):
            await self.write(server, f"{name}-{count}")

    async def listen(self, server: TestServer, cursor: str) -> None:
        """Subscribe from the cursor, and again from the last one whenever the stream breaks, for ever."""
        while True:
            with suppress(*GONE):
                socket = await server.socket()
                await socket.subscribe(ADDED, after=self.heard[-1][0] if self.heard else cursor)
                while (message := await socket.receive(timeout_s=60))["type"] == "next":
                    payload = message["payload"]
                    assert "errors" not in payload, payload
                    self.heard.append((payload["extensions"]["cursor"], payload["data"]["postAdded"]["id"]))
            await asyncio.sleep(0.05)

    async def complete(self, timeout_s: float = 15) -> None:
        """Wait until the subscriber has heard of everything, and check that it was once, in the log's order."""
        async with asyncio.timeout(timeout_s):
            while not {id_ for _, id_ in self.heard} >= set(self.acknowledged.values()):  # noqa: ASYNC110  # filled elsewhere
                await asyncio.sleep(0.01)
        assert sorted(id_ for _, id_ in self.heard) == sorted(self.acknowledged.values())
        positions = [int(cursor.partition("-")[2]) for cursor, _ in self.heard]
        assert positions == list(range(positions[0], positions[0] + len(positions)))


async def head(server: TestServer) -> str:
    """Return the log's position now."""
    cursor: str = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    return cursor


async def all_posts(server: TestServer) -> list[str]:
    """Return the ids of all posts."""
    ids: list[str] = []
    after = None
    while True:
        page = (await server.graphql(LATEST, {"after": after})).data["latestPosts"]
        ids += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return ids
        after = page["pageInfo"]["endCursor"]
