"""Sessions that this process has just looked up: a caller's next request need not ask PostgreSQL again who it is.

A session is known for FEEDGRAPH_SESSION_CACHE_S, and forgotten as soon as the log tells of its end: what was revoked in another
process is refused here when the event arrives, and at the latest after that time.
"""

import time
from collections import OrderedDict
from datetime import UTC, datetime

from app.domain.events import EventType
from app.domain.models import Viewer
from app.infra.event_log import Tail

SESSIONS_KEPT = 10_000


class KnownSessions:
    """Sessions by their tokens."""

    def __init__(self, tail: Tail, *, kept_s: float) -> None:
        self._tail = tail
        self._kept_s = kept_s
        self._heard = tail.cursor
        self._known: OrderedDict[str, tuple[float, Viewer]] = OrderedDict()  # until when (monotonic seconds), and who it is
        self._ended: OrderedDict[int, None] = OrderedDict()  # the last ones to end: a look-up on its way may still have seen them

    def get(self, token: str) -> Viewer | None:
        """Return who the token belongs to where it is known and has not ended."""
        cursor = self._tail.cursor
        if self._heard is not cursor and self._heard != cursor:
            self._hear()
        known = self._known.get(token)
        return None if known is None or known[0] <= time.monotonic() else known[1]

    def add(self, token: str, viewer: Viewer) -> None:
        """Remember who was just read."""
        left_s = min(self._kept_s, (viewer.expires_at - datetime.now(UTC)).total_seconds())
        if left_s <= 0 or viewer.session_id in self._ended:
            return
        self._known.pop(token, None)
        self._known[token] = (time.monotonic() + left_s, viewer)
        if len(self._known) > SESSIONS_KEPT:
            self._known.popitem(last=False)

    def forget(self, session_id: int) -> None:
        """Forget a session that has ended."""
        self._ended[session_id] = None
        if len(self._ended) > SESSIONS_KEPT:
            self._ended.popitem(last=False)
        for token, (_, viewer) in list(self._known.items()):
            if viewer.session_id == session_id:
                del self._known[token]

    def _hear(self) -> None:
        """Take in what the log tells since the last time."""
        events, self._heard = self._tail.after(self._heard), self._tail.cursor
        if events is None:  # more than is remembered, or another life of the log
            self._known.clear()
            return
        for event in events:
            if event.type == EventType.SESSION_REVOKED:
                self.forget(event.subject_id)
