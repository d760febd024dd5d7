"""Strawberry's own aiohttp view over the same names, its posts in memory. `python -m app.bench.loops.stock PORT`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import strawberry
import uvloop
from strawberry.aiohttp.views import GraphQLView
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from app.bench.serving import serve

QUEUES: set[asyncio.Queue["Post"]] = set()


@strawberry.type
class Author:
    """Who wrote a post."""

    name: str


@strawberry.type
class Post:
    """A post."""

    id: strawberry.ID
    title: str | None
    author: Author


@strawberry.type
class PostPayload:
    """A post that was written."""

    post: Post


@strawberry.input
class CreatePostInput:
    """A post to write."""

    content: str
    title: str | None = None


@strawberry.type
class Query:
    """What can be read."""

    ok: bool = True


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation
    async def create_post(self, input: CreatePostInput) -> PostPayload:
        """Hand the post to every listener."""
        post = Post(id=strawberry.ID("7399036526592000000"), title=input.title, author=Author(name="Somebody"))
        for queue in QUEUES:
            queue.put_nowait(post)
        return PostPayload(post=post)


@strawberry.type
class Subscription:
    """What can be listened to."""

    @strawberry.subscription
    async def post_added(self) -> AsyncIterator[Post]:
        """Give every new post."""
        queue: asyncio.Queue[Post] = asyncio.Queue()
        QUEUES.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            QUEUES.discard(queue)


VIEW = GraphQLView(
    schema=strawberry.Schema(Query, Mutation, Subscription), subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,)
)

if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(serve({"/graphql": VIEW}, int(sys.argv[1])))
