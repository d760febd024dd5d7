"""Events as JSON and as frames of a text/event-stream: the same bytes on every REST way of listening, made once for all."""

from functools import lru_cache
from typing import Any

import orjson

from app.domain.events import Gap
from app.domain.times import wire_time
from app.services.sightings import PostEvent
from app.transports.resources import post_resource

EVENTS_IN_MEMORY = 2_048  # a post is 5,000 characters at most: some megabytes in the worst case


@lru_cache(maxsize=EVENTS_IN_MEMORY)
def event_json(event: PostEvent) -> bytes:
    """Return an event as JSON; of a post that is gone, only its id is left."""
    return orjson.dumps(
        {
            "cursor": str(event.cursor),
            "type": event.type,
            "at": wire_time(event.at),
            "topics": event.topics,
            "post": post_resource(event.post) if event.post else {"postId": str(event.post_id)},
        }
    )


def gap_form(gap: Gap) -> dict[str, Any]:
    """Return what a listener missed: events behind `from`, up to `to`."""
    return {"from": str(gap.start), "to": str(gap.end)}


def frame(event: PostEvent | Gap) -> bytes:
    """Return the frame of an event stream that tells of it; its id is the cursor behind it."""
    if isinstance(event, Gap):
        return b"id: %b\nevent: gap\ndata: %b\n\n" % (str(event.end).encode(), orjson.dumps(gap_form(event)))
    return event_frame(event)


@lru_cache(maxsize=EVENTS_IN_MEMORY)
def event_frame(event: PostEvent) -> bytes:
    """Return an event's frame."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(event.cursor).encode(), event.type.value.encode(), event_json(event))
