"""What a viewer is shown of events: the post as it was, for those who may see it as it is now.

Whether a post may be seen is read once for all listeners who stand at the log's end, and for each step of the log: a thousand of
them take one statement together. Who asks for what is behind reads anew, as any request does.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app import stores
from app.domain.events import Event, EventCursor, EventType, Gap, job_topic
from app.domain.models import Job, Post
from app.domain.visibility import can_see
from app.infra.database import Counts, Database

if TYPE_CHECKING:  # the context's resources hold the sightings
    from app.services.context import RequestContext

HOLDS_S = 1.0  # what was read holds until the log grows, and at most so long
MAX_POSTS = 20_000

SHOWN = frozenset(
    {EventType.POST_CREATED, EventType.POST_EDITED, EventType.POST_DELETED, EventType.POST_COUNTERS, EventType.POST_HIDDEN}
)


@dataclass(frozen=True, slots=True)
class PostEvent:
    """What happened to a post, as one viewer is told of it."""

    cursor: EventCursor
    type: EventType
    at: datetime
    topics: tuple[str, ...]
    post_id: int
    post: Post | None  # None: it is gone, for this viewer at least


@dataclass(frozen=True, slots=True)
class JobEvent:
    """How a job goes on, as its owner is told of it: as it is when they are told."""

    cursor: EventCursor
    type: EventType
    at: datetime
    topics: tuple[str, ...]
    job: Job


Told = PostEvent | JobEvent


class Sightings:
    """The posts that events are about, as they are now."""

    def __init__(self) -> None:
        self._posts: dict[int, asyncio.Task[dict[int, Post | None]]] = {}
        self._as_of = EventCursor(0, 0)
        self._until = 0.0

    async def posts(self, db: Database, head: EventCursor, ids: Iterable[int]) -> dict[int, Post | None]:
        """Return the posts with these ids, whoever may see them; None for one that is gone. One statement for all who ask.

        `head` is the log's: what was read before it moved is read anew.
        """
        now = asyncio.get_running_loop().time()
        if head != self._as_of or now >= self._until or len(self._posts) > MAX_POSTS:
            self._posts, self._as_of, self._until = {}, head, now + HOLDS_S
        wanted, known = set(ids), self._posts
        if missing := wanted - known.keys():
            reading = asyncio.ensure_future(read_posts(db, list(missing)))
            reading.add_done_callback(lambda task: task.cancelled() or task.exception())  # all who asked may have left
            known.update(dict.fromkeys(missing, reading))
        found: dict[int, Post | None] = {}
        for reading in {known[id_] for id_ in wanted}:
            found |= await asyncio.shield(reading)  # whoever leaves does not take it from the others
        return found


async def read_posts(db: Database, ids: Sequence[int]) -> dict[int, Post | None]:
    """Return the posts by their ids. One statement."""
    return dict(zip(ids, await stores.posts.all_by_ids(db, ids), strict=True))


async def shown(ctx: "RequestContext", events: Sequence[Event | Gap], *, epoch: int, live: bool) -> list[Told | Gap]:
    """Return what the viewer is told of the events, in their order; gaps stay where they are. At most two statements.

    `epoch` is the life of the events' log; `live` says that the listener stands at its end, and may share what others read.

    Raises:
        Unavailable: the database is away.
    """
    about = {event.subject_id for event in events if isinstance(event, Event) and event.type in SHOWN}
    resources = ctx.resources
    if not about:
        posts: dict[int, Post | None] = {}
    elif live:
        posts = await resources.sightings.posts(resources.db.counted(Counts()), resources.tail.cursor, about)
    else:
        posts = await read_posts(ctx.db, list(about))
    jobs = await read_jobs(ctx, {e.subject_id for e in events if isinstance(e, Event) and e.type == EventType.JOB_UPDATED})
    told: list[Told | Gap] = []
    for event in events:
        if isinstance(event, Gap):
            told.append(event)
        elif event.type in SHOWN and (what := told_of(ctx.viewer_id, event, posts[event.subject_id])):
            type_, post = what
            cursor = EventCursor(epoch, event.position)
            told.append(PostEvent(cursor, type_, event.at, event.topics, event.subject_id, post))
        elif event.type == EventType.JOB_UPDATED and (job := jobs.get(event.subject_id)):
            topics = (job_topic(job.id),)  # the others are the workers' own
            told.append(JobEvent(EventCursor(epoch, event.position), EventType.JOB_UPDATED, event.at, topics, job))
    return told


async def read_jobs(ctx: "RequestContext", ids: Iterable[int]) -> dict[int, Job | None]:
    """Return the viewer's jobs by their ids. One statement, none without ids."""
    wanted = list(ids)
    found = await stores.jobs.by_ids(ctx.db, wanted, owner_id=ctx.viewer_id) if wanted else []
    return dict(zip(wanted, found, strict=True))


def told_of(viewer_id: int | None, event: Event, now: Post | None) -> tuple[EventType, Post | None] | None:
    """Return as what the viewer is told of an event about a post, and with which post; None: they are told nothing.

    `now` is the post as it is now, None where it is gone. What a viewer may not see looks deleted to them, and its true deletion
    later is nothing new.
    """
    type_ = EventType(event.type)
    sees = now is not None and can_see(viewer_id, now)
    if type_ is EventType.POST_DELETED:
        saw = event.post is None or can_see(viewer_id, event.post)
        return (type_, None) if saw else None
    if type_ is EventType.POST_HIDDEN:
        if sees:
            return EventType.POST_EDITED, event.post or now
        is_author = event.post is not None and can_see(viewer_id, event.post)
        return None if is_author else (EventType.POST_DELETED, None)
    return (type_, event.post or now) if sees else None
