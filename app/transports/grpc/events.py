"""Events: what happens, as it happens."""

from app import services
from app.domain.events import PUBLIC_POSTS, EventCursor, Gap, topics_named
from app.services.context import RequestContext
from app.services.sightings import JobEvent, Told, shown
from app.services.updates import Follower
from app.transports.grpc.messages import post_message, timestamp
from app.transports.grpc.stubs import events_pb2


class Listening:
    """One reader's place in the log."""

    def __init__(self, ctx: RequestContext, follower: Follower) -> None:
        self._ctx = ctx
        self._follower = follower
        self._is_live = False  # has it been at the log's end?

    @property
    def cursor(self) -> EventCursor:
        """The place up to which everything has been given."""
        return self._follower.cursor

    async def batch(self) -> list[events_pb2.Event]:
        """Wait until there is something behind the cursor; return what of it concerns the viewer, which may be nothing."""
        await self._follower.growth()
        found = await self._follower.step()
        events = await shown(self._ctx, found, epoch=self.cursor.epoch, live=self._is_live)
        self._is_live = self._is_live or self._follower.is_at_head
        return [event_message(event) for event in events]


async def follow(ctx: RequestContext, request: events_pb2.FollowEventsRequest) -> Listening:
    """Return the place from which a reader listens.

    Raises:
        InvalidInput: a topic is unknown, or there are too many.
        Unauthenticated: a topic is the feed or a job, and the call is anonymous.
        NotFound: a topic is a job, and none of the viewer's.
        CursorInvalid: the cursor is none, or lies in the future.
    """
    topics = topics_named(request.topics or [PUBLIC_POSTS])
    await services.jobs.require_own(ctx, topics)
    after = EventCursor.parse(request.after) if request.HasField("after") else None
    return Listening(ctx, await Follower.begun(ctx, topics, after=after))


def event_message(event: Told | Gap) -> events_pb2.Event:
    """Return an event as a message."""
    if isinstance(event, Gap):
        return events_pb2.Event(cursor=str(event.end), type="gap", gap=gap_message(event))
    if isinstance(event, JobEvent):  # the job itself is asked for by its id
        at = timestamp(event.at)
        return events_pb2.Event(cursor=str(event.cursor), type=event.type, id=str(event.job.id), at=at, topics=event.topics)
    return events_pb2.Event(
        cursor=str(event.cursor),
        type=event.type,
        id=str(event.post_id),
        at=timestamp(event.at),
        topics=event.topics,
        post=post_message(event.post) if event.post else None,
    )


def gap_message(gap: Gap) -> events_pb2.Gap:
    """Return what a listener missed as a message."""
    return events_pb2.Gap(**{"from": str(gap.start), "to": str(gap.end)})  # `from` is a word of Python
