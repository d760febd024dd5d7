"""What happened, in the order of the log, and the position that a listener hands back to go on from there."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.errors import CursorInvalid

EVENT_CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})", re.ASCII)


class EventType(StrEnum):
    """Events are named in the past tense."""

    POST_CREATED = "post.created"
    POST_EDITED = "post.edited"
    POST_DELETED = "post.deleted"
    SESSION_REVOKED = "session.revoked"
    JOB_UPDATED = "job.updated"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as its writer leaves it in the outbox; it has no position yet."""

    type: EventType
    topics: tuple[str, ...]
    subject_id: int  # the post, the session or the job that the event is about


@dataclass(frozen=True, slots=True)
class Event:
    """An event at its position in the log."""

    position: int
    type: str  # an EventType, or one that a newer version of the server writes
    at: datetime
    topics: tuple[str, ...]
    subject_id: int


@dataclass(frozen=True, slots=True, order=True)
class EventCursor:
    """A place between two events: everything up to `position` has been seen. The epoch is the log's life."""

    epoch: int
    position: int

    def __str__(self) -> str:
        """Return the wire form, at most 40 characters."""
        return f"{self.epoch}-{self.position}"

    @classmethod
    def parse(cls, text: str) -> "EventCursor":
        """Return the cursor of a wire form such as "1763805600-4711".

        Raises:
            CursorInvalid: the text has another form.
        """
        match = EVENT_CURSOR.fullmatch(text)
        if match is None:
            raise CursorInvalid("An event cursor looks like 1763805600-4711: pass back the one that came with an event.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Gap:
    """Events behind `start` up to `end` are not in the log any more: the listener missed them and must read the state again."""

    start: EventCursor
    end: EventCursor


PUBLIC_POSTS = "posts"
QUEUED_JOBS = "jobs.queued"  # beside a job's own topic, where a worker should look for it


def author_topic(user_id: int) -> str:
    """Return the topic of one author's posts."""
    return f"author:{user_id}"


def post_topic(post_id: int) -> str:
    """Return the topic of what happens to one post."""
    return f"post:{post_id}"


def job_topic(job_id: int) -> str:
    """Return the topic of one job's state and progress; only its owner may listen to it."""
    return f"job:{job_id}"


def session_topic(session_id: int) -> str:
    """Return the topic on which the end of a session is told to the streams that it opened."""
    return f"session:{session_id}"
