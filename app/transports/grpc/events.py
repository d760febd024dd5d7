"""Events: what happens, as it happens."""

from collections.abc import AsyncIterator

from app import services
from app.domain.events import EventCursor, Gap
from app.services.context import RequestContext
from app.transports.grpc.messages import timestamp
from app.transports.grpc.stubs import events_pb2


async def follow(ctx: RequestContext, request: events_pb2.FollowEventsRequest) -> AsyncIterator[events_pb2.Event]:
    """Give each event of the topics behind the cursor, for ever."""
    after = EventCursor.parse(request.after) if request.HasField("after") else None
    async for event in services.updates.follow(ctx, list(request.topics) or ["posts"], after=after):
        if isinstance(event, Gap):
            gap = events_pb2.Gap(to=str(event.end))
            setattr(gap, "from", str(event.start))
            yield events_pb2.Event(cursor=str(event.end), type="gap", gap=gap)
        else:
            yield events_pb2.Event(
                cursor=str(EventCursor(ctx.resources.tail.cursor.epoch, event.position)),
                type=event.type,
                id=str(event.subject_id),
                at=timestamp(event.at),
                topics=event.topics,
            )
