"""What can be listened to: which events a stream hears, who may hear of each, and what it shows.

A stream is only a description; whoever delivers it (alone or to thousands at once) reads the log and asks these.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from app import stores
from app.domain.errors import Gone, NotFound
from app.domain.events import PUBLIC_POSTS, Event, EventCursor, EventType, author_topic, job_topic, post_topic
from app.domain.models import Job, Post
from app.domain.visibility import can_see
from app.infra import event_log
from app.infra.database import Database
from app.services import jobs
from app.services.context import RequestContext
from app.services.posts import NO_SUCH_POST


class Unread(Enum):
    """Marks what was not looked up yet, where None means "there is none"."""

    UNREAD = auto()


class Happening:
    """An event about a post or a job, and what listeners must know of it: read once, however many ask.

    `everybody` gives the viewers that listen now, so that one statement finds out in whose home feeds the post is.
    """

    def __init__(self, db: Database, event: Event, epoch: int, everybody: Callable[[], Collection[int]]) -> None:
        self.event = event
        self.cursor = EventCursor(epoch, event.position)
        self._db = db
        self._everybody = everybody
        self._reading = asyncio.Lock()
        self._post: Post | Unread | None = Unread.UNREAD
        self._job: Job | Unread | None = Unread.UNREAD
        self._readers: set[int] | None = None

    async def post(self) -> Post | None:
        """Return the post as it is now, whoever may see it; None where it is gone. One statement the first time."""
        async with self._reading:
            if isinstance(self._post, Unread):
                [self._post] = await stores.posts.all_by_ids(self._db, [self.event.subject_id])
            return self._post

    async def readers(self) -> set[int]:
        """Return those of everybody in whose home feed the post is. One statement the first time."""
        async with self._reading:
            if self._readers is None:
                self._readers = await stores.feeds.readers(self._db, self.event.subject_id, list(self._everybody()))
            return self._readers

    async def job(self) -> Job | None:
        """Return the job as it is now; None where it is gone. One statement the first time."""
        async with self._reading:
            if isinstance(self._job, Unread):
                [self._job] = await stores.jobs.all_by_ids(self._db, [self.event.subject_id])
            return self._job


class Whose(Enum):
    """Who hears of a post, among those who may see it."""

    EVERYBODYS = auto()
    HOME_FEEDS = auto()  # only those in whose home feed it is


@dataclass(frozen=True, slots=True)
class Stream:
    """What one subscription hears: events of a topic; what is shown of each is the post as it is at delivery."""

    topic: str
    types: frozenset[str] | None  # None: all but the post's beginning
    after: EventCursor | None = None  # absent: from now on
    whose: Whose = Whose.EVERYBODYS
    ends_without_post: bool = False  # the stream is about one post and is over when that is gone

    def hears(self, event: Event) -> bool:
        """Say whether an event of the topic concerns the stream."""
        return event.type in self.types if self.types is not None else event.type != EventType.POST_CREATED

    async def audience(self, happening: Happening, viewer_ids: Collection[int | None]) -> Collection[int | None]:
        """Return who of these viewers (None: anonymous) hears of it. At most two statements, shared by all who ask."""
        post = await happening.post()
        if post is None:
            return ()
        heard = {id_ for id_ in viewer_ids if can_see(id_, post)}
        return heard & await happening.readers() if self.whose is Whose.HOME_FEEDS else heard

    async def subject(self, happening: Happening) -> Post | Job | None:
        """Return what is shown of an event: the thing that it is about, as it is now."""
        return await happening.post()

    async def is_last(self, _happening: Happening) -> bool:
        """Say whether nothing comes behind an event, though the thing that it is about is there."""
        return False


@dataclass(frozen=True, slots=True)
class JobStream(Stream):
    """What the owner of a job hears of it, until it has ended."""

    owner_id: int = 0

    async def audience(self, happening: Happening, viewer_ids: Collection[int | None]) -> Collection[int | None]:
        """Return the owner, if it listens and the job is still known."""
        return {self.owner_id} & set(viewer_ids) if await happening.job() else ()

    async def subject(self, happening: Happening) -> Post | Job | None:
        """Return the job as it is now."""
        return await happening.job()

    async def is_last(self, happening: Happening) -> bool:
        """Say whether the job has ended."""
        job = await happening.job()
        return job is not None and job.has_ended


CREATED = frozenset({EventType.POST_CREATED.value})
JOB_UPDATED = frozenset({EventType.JOB_UPDATED.value})
RELAYED_WITHIN = timedelta(minutes=1)  # an event that old is in the log, or was, and has left it


def posts_added(*, author_id: int | None = None, after: EventCursor | None = None) -> Stream:
    """Return the stream of new posts, of one author or of all."""
    return Stream(PUBLIC_POSTS if author_id is None else author_topic(author_id), CREATED, after)


def feed_updated(ctx: RequestContext, *, after: EventCursor | None = None) -> Stream:
    """Return the stream of what is new in the viewer's home feed.

    Raises:
        Unauthenticated: the request is anonymous.
    """
    ctx.signed_in()
    return Stream(PUBLIC_POSTS, CREATED, after, whose=Whose.HOME_FEEDS)


async def post_updated(ctx: RequestContext, post_id: int, *, after: EventCursor | None = None) -> Stream:
    """Return the stream of changes of one post: its texts, its counters, its end. One statement.

    Raises:
        NotFound: there is no such post that the viewer may see.
    """
    [post] = await stores.posts.by_ids(ctx.db, [post_id], viewer_id=ctx.viewer_id)
    if post is None:
        raise NotFound(NO_SUCH_POST)
    return Stream(post_topic(post_id), None, after, ends_without_post=True)


async def job_updated(ctx: RequestContext, job_id: int, *, after: EventCursor | None = None) -> Stream:
    """Return the stream of a job of the viewer's. Of one that has ended, it tells the end (again), whatever the listener knew.

    Raises:
        Unauthenticated, NotFound: the request is anonymous; the viewer has no such job.
        Gone: the job ended before anything that the log still knows.
    """
    job = await jobs.existing(ctx, job_id)
    if job.finished_at is not None:
        end = await event_log.last_about(ctx.db, EventType.JOB_UPDATED, job_id, since=job.finished_at)
        if end is not None:
            before_end = EventCursor(end.epoch, end.position - 1)
            after = before_end if after is None or after.epoch != end.epoch else min(after, before_end)
        elif job.finished_at < datetime.now(UTC) - RELAYED_WITHIN:
            raise Gone("This job ended long ago: ask for job(id).")
    return JobStream(job_topic(job_id), JOB_UPDATED, after, owner_id=job.owner_id)
