"""How fast a client may speak, and how slowly it may read."""

import asyncio

from app.settings import Settings


class Pace:
    """Lets so many messages a second through, and a burst; those beyond wait, which the client's own sending then feels."""

    __slots__ = ("_burst", "_credit", "_per_s", "_seen_at")

    def __init__(self, per_s: int, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._credit = float(burst)
        self._seen_at = now

    async def keep(self, now: float) -> None:
        """Wait until one more message may pass."""
        self._credit = min(self._burst, self._credit + (now - self._seen_at) * self._per_s) - 1
        self._seen_at = now
        if self._credit < 0:
            await asyncio.sleep(-self._credit / self._per_s)


class Stall:
    """Watches what waits for a client: one that takes nothing for a while, or leaves much unread, is slow."""

    __slots__ = ("_least", "_settings", "_since", "_too_much_since")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._least = 0  # bytes that waited at least, since it fell behind
        self._since: float | None = None  # when it last took something, while it is behind
        self._too_much_since: float | None = None

    def lasts_too_long(self, waiting_bytes: int, now: float) -> bool:
        """Say whether the client has been slow for longer than allowed."""
        limits = self._settings
        if waiting_bytes <= limits.ws_catch_up_bytes:
            self._since = self._too_much_since = None
            return False
        if waiting_bytes <= limits.ws_max_waiting_bytes:
            self._too_much_since = None
        elif self._too_much_since is None:
            self._too_much_since = now
        if self._since is None or waiting_bytes < self._least:
            self._since, self._least = now, waiting_bytes
        since = self._since if self._too_much_since is None else min(self._since, self._too_much_since)
        return now - since >= limits.ws_stalled_s
