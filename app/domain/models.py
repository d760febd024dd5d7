"""The nouns of the social world as plain values; the field names are the column names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A person. Counters equal the rows they count."""

    id: int
    username: str
    name: str
    bio: str | None
    avatar_url: str | None
    created_at: datetime
    followers_count: int
    following_count: int
    posts_count: int  # replies included


@dataclass(frozen=True, slots=True)
class Post:
    """A post or, where `in_reply_to_id` is set, a reply."""

    id: int
    author_id: int
    in_reply_to_id: int | None
    in_reply_to_author_id: int | None
    title: str | None
    content: str
    created_at: datetime
    edited_at: datetime | None
    hidden_at: datetime | None  # set: hidden by a moderator
    likes_count: int
    replies_count: int
    reposts_count: int


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in device. `is_demo` sessions have a token that everybody knows; `is_unlimited` ones are never throttled."""

    id: int
    user_id: int
    is_demo: bool
    expires_at: datetime
    is_unlimited: bool


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: the user and the session that the bearer token belongs to."""

    user_id: int
    session_id: int
    expires_at: datetime
    is_unlimited: bool = False

    def has_expired(self) -> bool:
        """Say whether the session's time is over."""
        return datetime.now(UTC) >= self.expires_at


class JobState(StrEnum):
    """Where a job stands. The last three are ends: they never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """Slow work that was accepted. `done` of `total` are in units of the kind (posts, rows, bytes); no total: not known yet."""

    id: int
    owner_id: int
    kind: str
    state: JobState
    attempts: int  # starts so far, those that a crash ended included; it also names the attempt that runs
    done: int
    total: int | None
    input: dict[str, Any]
    result: dict[str, Any] | None
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Say whether nothing will change any more."""
        return self.finished_at is not None


@dataclass(frozen=True, slots=True)
class Blob:
    """A large value that is kept in pieces; `size` in bytes."""

    id: int
    owner_id: int
    media_type: str
    size: int


MOST_MEDIA = 4  # images of one post


@dataclass(frozen=True, slots=True)
class Media:
    """An image, of a post or (where `post_id` is None) waiting for one. `size` in bytes, the other measures in pixels."""

    id: int
    owner_id: int
    post_id: int | None
    alt: str | None
    media_type: str
    width: int
    height: int
    size: int
    url: str
    thumbnail_url: str
    file_id: int  # of the blob
    thumbnail_id: int
    created_at: datetime


class Unchanged(Enum):
    """Marks a field that an edit leaves as it is, where None means "make it empty"."""

    UNCHANGED = auto()


UNCHANGED = Unchanged.UNCHANGED
