"""Documents that clients registered, by their hash: in Redis for every process, the recent ones in this process too.

A sorted set of their last uses bounds how many are kept and how long; both keys die together when nobody uses them.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from app.infra.redis import Redis

TEXTS, USED = "persisted:texts", "persisted:used"
USES_TOLD_IN_TTL = 24  # Redis hears of uses in this process so often in a text's life, not each time
RETRY_S = 10.0  # until Redis is told again what it could not be told

# In both scripts KEYS are the Redis hash of the texts and the sorted set of their last uses in microseconds; ARGV begins with the
# text's SHA-256 and the microseconds that it lives unused.
START = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local oldest = now - ARGV[2]
local function used()
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2] / 1000)
  redis.call('PEXPIRE', KEYS[2], ARGV[2] / 1000)
end
"""
FIND = (
    START
    + """
local last = redis.call('ZSCORE', KEYS[2], ARGV[1])
local text = last and tonumber(last) > oldest and redis.call('HGET', KEYS[1], ARGV[1])
if text then used() end
return text
"""
)
# ARGV goes on with the text and the most that are kept. A thousand a step: a script's call has room for some thousand arguments.
KEEP = (
    START
    + """
local function forget(hashes)
  if #hashes > 0 then
    redis.call('HDEL', KEYS[1], unpack(hashes))
    redis.call('ZREM', KEYS[2], unpack(hashes))
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
used()
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', oldest, 'LIMIT', 0, 1000))
for surplus = redis.call('ZCARD', KEYS[2]) - ARGV[4], 1, -1000 do
  forget(redis.call('ZRANGE', KEYS[2], 0, math.min(surplus, 1000) - 1))
end
return 1
"""
)


@dataclass(slots=True)
class Kept:
    """A text in this process; times are of the monotonic clock."""

    text: str
    end: float  # of its life, unless it is used before
    tell_at: float  # when Redis is to hear of the next use


class PersistedTexts:
    """The registered documents. While Redis is away, those of this process."""

    def __init__(self, redis: Redis, *, ttl_s: int, max_kept: int, max_in_memory: int) -> None:
        self._redis = redis
        self._ttl_s = ttl_s
        self._max_kept = max_kept
        self._max_here = min(max_kept, max_in_memory)
        self._here: OrderedDict[str, Kept] = OrderedDict()

    async def find(self, hash_: str) -> str | None:
        """Return the text with this hash (SHA-256, 64 lower-case hexadecimal digits) and note its use.

        One script in Redis; none where this process used the text not long ago.
        """
        now = time.monotonic()
        kept = self._here.get(hash_)
        if kept is None or kept.end <= now:
            return await self._find_in_redis(hash_)
        self._here.move_to_end(hash_)
        kept.end = now + self._ttl_s
        if kept.tell_at <= now:
            await self._tell(hash_, kept)
        return kept.text

    async def keep(self, hash_: str, text: str) -> None:
        """Keep a text under its hash, and forget the texts that were not used for the longest time. One script in Redis."""
        kept = self._remember(hash_, text)
        await self._tell(hash_, kept)

    async def _find_in_redis(self, hash_: str) -> str | None:
        self._here.pop(hash_, None)
        reply = await self._redis.run_script(FIND, keys=[TEXTS, USED], arguments=[hash_, self._ttl_us])
        if not isinstance(reply, bytes) or sha256(reply).hexdigest() != hash_:
            return None  # what somebody else wrote there is not executed in the hash's name
        return self._remember(hash_, reply.decode()).text

    async def _tell(self, hash_: str, kept: Kept) -> None:
        # The text goes along: so a Redis that lost everything has it again after a while.
        kept.tell_at = time.monotonic() + RETRY_S  # set first: of many requests at once, one tells
        arguments = [hash_, self._ttl_us, kept.text, str(self._max_kept)]
        if await self._redis.run_script(KEEP, keys=[TEXTS, USED], arguments=arguments) is not None:
            kept.tell_at = time.monotonic() + self._ttl_s / USES_TOLD_IN_TTL

    def _remember(self, hash_: str, text: str) -> Kept:
        now = time.monotonic()
        kept = self._here[hash_] = Kept(text, now + self._ttl_s, now + self._ttl_s / USES_TOLD_IN_TTL)
        self._here.move_to_end(hash_)
        if len(self._here) > self._max_here:
            self._here.popitem(last=False)
        return kept

    @property
    def _ttl_us(self) -> str:
        return str(self._ttl_s * 1_000_000)
