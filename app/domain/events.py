"""What happened, in the order of the log, and the position that a listener hands back to go on from there."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.domain.errors import CursorInvalid, InvalidInput
from app.domain.ids import parse_id
from app.domain.models import Post

EVENT_CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})", re.ASCII)


class EventType(StrEnum):
    """Events are named in the past tense. Those of users and sessions are the server's own and reach no client.

    A user's posts_count changes with every post.created and post.deleted of theirs, without an event of its own.
    """

    POST_CREATED = "post.created"
    POST_EDITED = "post.edited"  # or shown again by a moderator: whoever does not know the post takes it as new
    POST_DELETED = "post.deleted"
    POST_COUNTERS = "post.counters"  # its likes or its replies are counted anew
    POST_HIDDEN = "post.hidden"  # by a moderator; a client is told "deleted" or, as its author, "edited"
    JOB_UPDATED = "job.updated"
    USER_CHANGED = "user.changed"  # what is shown of them: the counts of their follows
    USER_DELETED = "user.deleted"
    SESSION_REVOKED = "session.revoked"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as its writer leaves it in the outbox; it has no position yet."""

    type: EventType
    topics: tuple[str, ...]
    subject_id: int  # the post, the user, the job or the session that the event is about
    post: Post | None = None  # as it was when this happened


@dataclass(frozen=True, slots=True)
class Event:
    """An event at its position in the log."""

    position: int
    type: str  # an EventType, or one that a newer version of the server writes
    at: datetime
    topics: tuple[str, ...]
    subject_id: int
    post: Post | None = None  # as it was when this happened; None: not about a post, or written by another version


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
FEED = "feed"  # the viewer's: no event has this topic, for whose feed a post is in is decided when it is delivered


def author_topic(user_id: int) -> str:
    """Return the topic of one author's posts."""
    return f"author:{user_id}"


def post_topic(post_id: int) -> str:
    """Return the topic of what happens to one post."""
    return f"post:{post_id}"


def job_topic(job_id: int) -> str:
    """Return the topic of how one job goes on."""
    return f"job:{job_id}"


def user_topic(user_id: int) -> str:
    """Return the topic of what is shown of one person, and of their end."""
    return f"user:{user_id}"


def session_topic(session_id: int) -> str:
    """Return the topic on which the end of a session is told to the streams that it opened."""
    return f"session:{session_id}"


def about_post(type_: EventType, post: Post) -> NewEvent:
    """Return the event that tells what happened to the post, on the topics that listeners know it by."""
    return NewEvent(type_, (PUBLIC_POSTS, author_topic(post.author_id), post_topic(post.id)), post.id, post)


def about_user(type_: EventType, user_id: int) -> NewEvent:
    """Return the event that tells that something about a person changed."""
    return NewEvent(type_, (user_topic(user_id),), user_id)


def about_session(session_id: int) -> NewEvent:
    """Return the event that tells that a session has ended."""
    return NewEvent(EventType.SESSION_REVOKED, (session_topic(session_id),), session_id)


MAX_TOPICS = 50
TOPICS_OF: Final = {"author": author_topic, "post": post_topic}
KNOWN_TOPICS = "posts, feed, author:ID or post:ID"


def topics_named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the topics that a listener names, each once, in canonical form.

    Raises:
        InvalidInput: there is none, there are too many, or one is unknown.
    """
    topics = tuple(dict.fromkeys(topic_named(name.strip()) for name in names))
    if not topics:
        raise InvalidInput(f"topics must name what to listen to: {KNOWN_TOPICS}.", field="topics")
    if len(topics) > MAX_TOPICS:
        raise InvalidInput(f"At most {MAX_TOPICS} topics at once; these are {len(topics)}.", field="topics")
    return topics


def topic_named(name: str) -> str:
    """Return the topic of a name.

    Raises:
        InvalidInput: there is no such topic.
    """
    if name in {PUBLIC_POSTS, FEED}:
        return name
    kind, _, id_ = name.partition(":")
    if kind not in TOPICS_OF:
        raise InvalidInput(f"A topic is one of {KNOWN_TOPICS}.", field="topics")
    return TOPICS_OF[kind](parse_id(id_, field="topics"))
