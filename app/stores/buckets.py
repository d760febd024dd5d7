"""Buckets of points in Redis, one a caller, shared by all processes."""

from dataclasses import dataclass

from app.domain.budgets import Caller
from app.infra.redis import Redis

# Fills the bucket by the time that has passed, then takes from it, in one step: at least ARGV[3] points and at most ARGV[4] where
# there are enough, else none. Less than none puts points back. A bucket that is never refused (ARGV[5]) may owe as much as it
# holds when full, no more. One that is full again is forgotten.
TAKE = """
local full, per_ms = tonumber(ARGV[1]), tonumber(ARGV[2]) / 1000
local least, most, is_unlimited = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'points', 'at')
local points = tonumber(kept[1]) or full
points = math.min(full, points + math.max(0, now - (tonumber(kept[2]) or now)) * per_ms)
local taken = 0
if is_unlimited then taken = math.max(least, most)
elseif points >= least then taken = math.max(least, math.min(most, math.floor(points))) end
points = math.min(full, math.max(points - taken, -full))
if taken ~= 0 then
  redis.call('HSET', KEYS[1], 'points', points, 'at', now)
  redis.call('PEXPIRE', KEYS[1], math.ceil((full - points) / per_ms) + 1000)
end
return {taken, math.floor(points)}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came out of a bucket, and what is left in it."""

    points: int
    left: int


class Buckets:
    """Takes points from buckets and puts them back."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, caller: Caller, least: int, most: int) -> Taken | None:
        """Take from `least` to `most` points, or none where there are not enough; None without Redis. One script."""
        budget = caller.budget
        numbers = (budget.points, budget.points_per_s, least, most, int(budget.is_unlimited))
        key, arguments = f"bucket:{{{caller.key}}}", [str(number) for number in numbers]
        reply = await self._redis.run_script(TAKE, keys=[key], arguments=arguments)
        return Taken(int(reply[0]), int(reply[1])) if isinstance(reply, list) else None

    async def put_back(self, caller: Caller, points: int) -> bool:
        """Put points back; return False without Redis. One script."""
        return await self.take(caller, -points, -points) is not None
