"""Answers that are the same for every anonymous caller, kept in this process while nothing that they show has changed.

Rules:
1. An answer is kept with the tags of what it shows (`reads.py`), for as long as its policy says at most.
2. Whoever looks first takes in what the log's tail has heard since the last look: each event throws away the answers that it
   makes stale. Events that are gone from memory, or another life of the log, throw away all.
3. An answer is kept only if no event since its reading began has touched its tags: the reading may be older than such an event.
   (What the tail knew before is older than the reading: an event gets its position after its commit.)
4. While the tail cannot know whether it is at the log's head, nothing is given and nothing is kept.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.domain.events import Event, EventCursor
from app.infra.event_log import Tail
from app.services.reads import stale_tags

Value = TypeVar("Value")
Result = TypeVar("Result")

LARGEST_SHARE = 8  # an answer larger than this part of the whole is not kept: it would push out too many others
ENTRY_BYTES = 1_000  # what an entry takes besides its bytes and tags, about
TAG_BYTES = 150  # what a tag takes in the entry and in the index, about


@dataclass(frozen=True, slots=True)
class Kept(Generic[Value]):
    """An answer in the cache. Times are of the monotonic clock."""

    value: Value
    tags: frozenset[str]
    bytes: int
    kept_s: float
    ends_s: float


class Answers(Generic[Value]):
    """The answers of one process, the most recently used ones, at most `max_bytes` of them."""

    def __init__(self, tail: Tail, *, max_bytes: int) -> None:
        self._tail = tail
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Kept[Value]] = OrderedDict()
        self._keys_by_tag: dict[str, set[str]] = {}
        self._flights: dict[str, asyncio.Future[bool]] = {}
        self._seen = tail.cursor  # the events up to here were taken in
        self.bytes = 0
        self.hits = self.misses = self.purges = self.evictions = 0

    @property
    def is_usable(self) -> bool:
        """Whether answers may be given and kept right now."""
        return self._max_bytes > 0 and self._tail.is_current

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    def get(self, key: str) -> Kept[Value] | None:
        """Return the answer of this key, None where none is good; count neither."""
        self._take_in_events()
        kept = self._kept.get(key)
        if kept is None or not self._tail.is_current:
            return None
        if kept.ends_s <= time.monotonic():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, key: str, value: Value, *, size: int, tags: Collection[str], max_age_s: float, since: EventCursor) -> bool:
        """Keep an answer of `size` bytes whose reading began when the tail was at `since`; return whether it is kept."""
        size += ENTRY_BYTES + sum(len(tag) + TAG_BYTES for tag in tags)
        if size > self._max_bytes // LARGEST_SHARE or not self.is_unchanged(tags, since):
            return False
        self._drop(key)
        now_s = time.monotonic()
        self._kept[key] = Kept(value, frozenset(tags), size, now_s, now_s + max_age_s)
        for tag in tags:
            self._keys_by_tag.setdefault(tag, set()).add(key)
        self.bytes += size
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))
            self.evictions += 1
        return True

    def is_unchanged(self, tags: Collection[str], since: EventCursor) -> bool:
        """Say whether no event since the cursor has touched the tags, as far as the tail knows, and the tail is current."""
        self._take_in_events()
        events = self._events_after(since)
        if events is None or not self._tail.is_current:
            return False
        touched = [stale_tags(event) for event in events]
        return not any(stale is None or not stale.isdisjoint(tags) for stale in touched)

    async def once(self, key: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Let the first of those who ask for a key at once work alone; `work` looks into the cache before anything else, so those
        who waited find what it kept. Where it was cancelled, the next of them takes its place."""
        while (flight := self._flights.get(key)) is not None:
            if await asyncio.shield(flight):
                return await work()
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        has_ended = False
        try:
            result = await work()
            has_ended = True
        except Exception:
            has_ended = True
            raise
        else:
            return result
        finally:
            del self._flights[key]
            flight.set_result(has_ended)

    def clear(self) -> None:
        """Throw everything away."""
        self.purges += len(self._kept)
        self._kept.clear()
        self._keys_by_tag.clear()
        self.bytes = 0

    def _take_in_events(self) -> None:
        cursor = self._tail.cursor
        if cursor is self._seen or cursor == self._seen:
            return
        events = self._events_after(self._seen)
        self._seen = cursor
        if not self._kept:
            return
        for tags in map(stale_tags, events) if events is not None else [None]:
            if tags is None:
                self.clear()
                return
            for tag in tags:
                for key in tuple(self._keys_by_tag.get(tag, ())):
                    self._drop(key)
                    self.purges += 1

    def _events_after(self, cursor: EventCursor) -> list[Event] | None:
        """Return the events behind the cursor; None where they are unknown, or the log was turned back."""
        return None if cursor.position > self._tail.cursor.position else self._tail.after(cursor)

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        self.bytes -= kept.bytes
        for tag in kept.tags:
            keys = self._keys_by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._keys_by_tag[tag]
