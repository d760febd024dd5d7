"""Hearing of posts as they happen: root fields that describe a stream, which the hub follows for all its listeners at once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from app import services
from app.domain.events import EventCursor as EventCursorValue
from app.domain.ids import parse_id
from app.services.streams import Stream
from app.transports.graphql.fields import Info, given
from app.transports.graphql.posts import Post, PostId
from app.transports.graphql.scalars import EventCursor

After = Annotated[
    EventCursor | None,
    strawberry.argument(description="First what came behind this cursor (extensions.cursor of an event), then live."),
]
AuthorId = Annotated[strawberry.ID | None, strawberry.argument(description="Only this author's posts.")]


@dataclass(frozen=True, slots=True)
class Source:
    """A stream in the form in which graphql-core hands on what a subscription's resolver gives. Nobody iterates over it."""

    stream: Stream

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("A stream is followed by the hub.")


@strawberry.type
class PostSubscriptions:
    """Hearing of posts as they happen."""

    @strawberry.subscription(graphql_type=Post, description="Every new public post, or those of one author, replies included.")
    def post_added(self, info: Info, author_id: AuthorId = UNSET, after: After = UNSET) -> Any:
        author = given(author_id, lambda id_: parse_id(id_, field="authorId"))
        return Source(services.streams.posts_added(author_id=author, after=given(after, EventCursorValue.parse)))

    @strawberry.subscription(
        graphql_type=Post, description="Every new post in the viewer's home feed: theirs, and those of the people they follow."
    )
    def feed_updated(self, info: Info, after: After = UNSET) -> Any:
        return Source(services.streams.feed_updated(info.context, after=given(after, EventCursorValue.parse)))

    @strawberry.subscription(
        graphql_type=Post,
        description="One post whenever it changes: its texts and counters. When it is gone, the last `next` has the error "
        "NOT_FOUND, and the stream completes.",
    )
    async def post_updated(self, info: Info, id: PostId, after: After = UNSET) -> Any:
        position = given(after, EventCursorValue.parse)
        return Source(await services.streams.post_updated(info.context, parse_id(id), after=position))
