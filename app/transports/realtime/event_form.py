"""Events as JSON and as frames of a text/event-stream: the same bytes on every REST way of listening, made once for all."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

import orjson
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from app.domain.events import Gap
from app.domain.times import wire_time
from app.services.sightings import JobEvent, PostEvent, Told
from app.transports.resources import Id, JobResource, PostResource, Time, job_resource, post_resource

Cursor = Annotated[str, Field(description="Hand it back as after.", examples=["1763805600-4711"])]
EVENTS_IN_MEMORY = 2_048  # a post is 5,000 characters at most: some megabytes in the worst case


class GonePost(TypedDict):
    """What is left of a post that is gone."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    postId: Id


class EventHead(TypedDict):
    """What every event has."""

    cursor: Cursor
    at: Annotated[Time, Field(description="When it happened.")]
    topics: list[str]


class PostEventResource(EventHead):
    """What happened to a post."""

    type: Literal["post.created", "post.edited", "post.counters", "post.deleted"]
    post: Annotated[PostResource | GonePost, Field(description="As it was then; of one that is gone, its id.")]


class JobEventResource(EventHead):
    """How a job goes on."""

    type: Literal["job.updated"]
    job: Annotated[JobResource, Field(description="As it is now.")]


GapResource = TypedDict("GapResource", {"from": Cursor, "to": Cursor})


class EventPage(TypedDict):
    """What a poll gives; as server-sent events, each event is the `data` of a block of its own."""

    events: list[PostEventResource | JobEventResource]
    cursor: Cursor
    gap: Annotated[GapResource | None, Field(description="Events between are gone from the log: read the state again.")]
    more: Annotated[bool, Field(description="Whether there are others already.")]


def event_json(event: Told) -> bytes:
    """Return an event as JSON."""
    return encoded(event, "job", job_resource(event.job)) if isinstance(event, JobEvent) else post_json(event)


@lru_cache(maxsize=EVENTS_IN_MEMORY)
def post_json(event: PostEvent) -> bytes:
    """Return an event about a post as JSON; of a post that is gone, only its id is left."""
    return encoded(event, "post", post_resource(event.post) if event.post else {"postId": str(event.post_id)})


def encoded(event: Told, noun: str, resource: Mapping[str, Any]) -> bytes:
    """Return the JSON of an event and the thing that it is about, in the order of keys that clients know."""
    head = {"cursor": str(event.cursor), "type": event.type, "at": wire_time(event.at), "topics": event.topics}
    return orjson.dumps({**head, noun: resource})


def gap_form(gap: Gap) -> dict[str, Any]:
    """Return what a listener missed: events behind `from`, up to `to`."""
    return {"from": str(gap.start), "to": str(gap.end)}


def frame(event: Told | Gap) -> bytes:
    """Return the frame of an event stream that tells of it; its id is the cursor behind it."""
    if isinstance(event, Gap):
        return b"id: %b\nevent: gap\ndata: %b\n\n" % (str(event.end).encode(), orjson.dumps(gap_form(event)))
    return event_frame(event) if isinstance(event, JobEvent) else post_frame(event)


@lru_cache(maxsize=EVENTS_IN_MEMORY)
def post_frame(event: PostEvent) -> bytes:
    """Return the frame of an event about a post."""
    return event_frame(event)


def event_frame(event: Told) -> bytes:
    """Return an event's frame."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(event.cursor).encode(), event.type.value.encode(), event_json(event))
