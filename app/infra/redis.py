"""Redis or Valkey: messages between processes and short-lived counters; nothing that is kept there is needed tomorrow."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import Redis as Client
from redis.asyncio import from_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.domain.errors import ConfigurationError

Result = TypeVar("Result")

log = structlog.get_logger(__name__)

AWAY = (RedisError, OSError)  # OSError covers TimeoutError
PAUSE_AFTER_FAILURE_S = 1.0
MAX_CONNECTIONS = 1_000  # a command without one would look as if Redis were away
SILENCE_S = 3.0  # the event log announces its head each second: after this much silence, see whether the line is alive

# Counts up and gives the key its end of life on the first count, in one step that no other caller can come between.
COUNT_UP = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


class Redis:
    """A client that never raises because Redis is away: callers get None or False and go on without it."""

    def __init__(self, url: str, *, prefix: str, timeout_s: float) -> None:
        """Prepare the client; it connects when it is used.

        Raises:
            ConfigurationError: the address has no form that is known.
        """
        self._url = url
        self._prefix = prefix
        self._timeout_s = timeout_s
        try:
            self._client = self._connect(read_timeout_s=timeout_s)
        except ValueError as error:
            raise ConfigurationError(f"REDIS_URL is not an address of Redis: {error}.") from error
        self._not_before = 0.0  # after a failure, the loop's time of the next attempt
        self.is_listening = False

    def _connect(self, *, read_timeout_s: float | None) -> Client:
        return from_url(
            self._url,
            max_connections=MAX_CONNECTIONS,
            socket_connect_timeout=self._timeout_s,
            socket_timeout=read_timeout_s,
            retry=Retry(NoBackoff(), 0),  # we go on without Redis at once instead of waiting for it
        )

    async def publish(self, channel: str, message: bytes) -> bool:
        """Send a message to every process; return False when Redis is away (the event log heals that by itself)."""
        return await self._attempt(lambda: self._client.publish(self._prefix + channel, message)) is not None

    async def count_up(self, key: str, *, window_s: int) -> tuple[int, int] | None:
        """Count one more under the key; return the count and the milliseconds until it starts anew, None without Redis."""
        name = self._prefix + key
        reply = await self._attempt(lambda: self._client.eval(COUNT_UP, 1, name, str(window_s * 1000)))
        return (int(reply[0]), int(reply[1])) if isinstance(reply, list) else None

    async def run_script(self, script: str, *, keys: list[str], arguments: list[str]) -> object:
        """Run a Lua script, which no other command comes between; return its reply, None without Redis."""
        names = [self._prefix + key for key in keys]
        return await self._attempt(lambda: self._client.eval(script, len(names), *names, *arguments))

    async def is_up(self) -> bool:
        """Say whether Redis answers."""
        try:
            return bool(await heeding(self._client.ping()))
        except AWAY:
            return False

    async def _attempt(self, command: Callable[[], Awaitable[object]]) -> object:
        """Run a command, unless the last one failed a moment ago: a Redis that hangs must not slow every request."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before:
            return None
        try:
            return await heeding(command())
        except AWAY as error:
            log.warning("redis_away", error=str(error))
            self._not_before = asyncio.get_running_loop().time() + PAUSE_AFTER_FAILURE_S
            return None

    async def listen(self, handlers: dict[str, Callable[[bytes], None]]) -> None:
        """Hand every message of the channels to its handler, for ever, connecting again whenever Redis comes back."""
        names = {(self._prefix + channel).encode(): handler for channel, handler in handlers.items()}
        while True:
            try:
                await self._listen_once(names)
            except AWAY as error:
                log.warning("redis_away", error=str(error))
            finally:
                self.is_listening = False
            await asyncio.sleep(PAUSE_AFTER_FAILURE_S / 2)

    async def _listen_once(self, handlers: dict[bytes, Callable[[bytes], None]]) -> None:
        client = self._connect(read_timeout_s=None)
        try:
            async with client.pubsub() as subscription:
                await heeding(subscription.subscribe(*handlers))
                while True:
                    message = await heeding(subscription.get_message(timeout=SILENCE_S))
                    if message is not None:
                        self.is_listening = True
                        if message["type"] == "message":
                            handlers[message["channel"]](message["data"])
                    elif self.is_listening:
                        self.is_listening = False
                        await heeding(subscription.ping())
                    else:
                        raise TimeoutError("no answer on the line that messages come by")
        finally:
            await client.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def heeding(command: Awaitable[Result]) -> Result:
    """Await the driver, and be cancelled even where it swallows that: it uses asyncio.wait_for, which does so in Python 3.11."""
    task = asyncio.current_task()
    asked = task.cancelling() if task else 0
    try:
        return await command
    finally:
        if task and task.cancelling() > asked:
            raise asyncio.CancelledError
