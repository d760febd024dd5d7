"""What an answer was made of, as tags: so it can be thrown away when one of these things changes.

| tag | what it stands for |
|---|---|
| `User:ID`, `Post:ID` | the thing's own fields, counters included |
| `User:ID:posts`, `User:ID:followers`, `User:ID:following` | who and what is in the list |
| `Post:ID:replies`, `Post:ID:likers` | the same |
| `Post:latest` | everybody's newest posts |
"""

from collections.abc import Iterable, Sequence
from typing import Any

from app.domain.events import Event, EventType
from app.domain.paging import Slice

LATEST_POSTS = "Post:latest"
HARMLESS = {EventType.SESSION_REVOKED, EventType.JOB_UPDATED}  # they change nothing that an anonymous caller sees


class Reads:
    """Notes what one request reads. A relation's fetch notes it, and so does a service that reads a list by itself."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.misses_somebody = False  # nobody tells when a name or an id that nobody has becomes somebody's

    def users(self, ids: Iterable[int]) -> None:
        """Note people whose fields are read."""
        self.tags.update(f"User:{id_}" for id_ in ids)

    def posts(self, ids: Iterable[int]) -> None:
        """Note posts whose fields are read, and those that were looked for and not found: writing or showing one is told."""
        self.tags.update(f"Post:{id_}" for id_ in ids)

    def somebody(self, people: Sequence[Any]) -> None:
        """Note whether all the people who were looked for exist."""
        self.misses_somebody = self.misses_somebody or None in people

    def lists(self, tags: Iterable[str], pages: Sequence[Slice[Any]], shown: str) -> None:
        """Note lists; `shown` is the type of their rows."""
        self.tags.update(tags)
        self.tags.update(f"{shown}:{place[-1]}" for page in pages for place in page.keys)  # a place ends in the row's id


def stale_tags(event: Event) -> set[str] | None:
    """Return what an event makes stale; None where that can be anything."""
    if event.type in HARMLESS:
        return set()
    id_ = event.subject_id
    if event.type == EventType.USER_CHANGED:
        return {f"User:{id_}", f"User:{id_}:followers", f"User:{id_}:following"}
    changed = {f"Post:{id_}", f"Post:{id_}:replies", f"Post:{id_}:likers"}
    if event.type == EventType.POST_COUNTERS:
        return changed
    post = event.post
    if post is None:
        return None  # the end of an account, or what a newer version of the server writes
    changed |= {LATEST_POSTS, f"User:{post.author_id}", f"User:{post.author_id}:posts"}
    if post.in_reply_to_id is not None:
        changed |= {f"Post:{post.in_reply_to_id}", f"Post:{post.in_reply_to_id}:replies"}
    return changed
