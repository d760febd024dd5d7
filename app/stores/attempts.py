"""Counts of attempts in a window of time, in Redis; while Redis is away, in this process."""

import time
from collections import OrderedDict

from app.infra.redis import Redis

KEYS_IN_MEMORY = 10_000


class Attempts:
    """Counts what somebody tries, to stop them when it is too often."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._here: OrderedDict[str, tuple[int, float]] = OrderedDict()  # key: count, end of the window (monotonic seconds)

    async def add(self, key: str, *, window_s: int) -> tuple[int, int]:
        """Count one more; return the count in this window and the seconds until it ends (at least 1)."""
        counted = await self._redis.count_up(key, window_s=window_s)
        count, left_ms = counted if counted is not None else self._add_here(key, window_s)
        return count, max(1, -(-left_ms // 1000))

    def _add_here(self, key: str, window_s: int) -> tuple[int, int]:
        now = time.monotonic()
        count, end = self._here.pop(key, (0, now + window_s))
        if end <= now:
            count, end = 0, now + window_s
        self._here[key] = (count + 1, end)
        if len(self._here) > KEYS_IN_MEMORY:
            self._here.popitem(last=False)
        return count + 1, int((end - now) * 1000)
