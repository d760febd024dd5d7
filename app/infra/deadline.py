"""Deadlines: work is cancelled when its time is over. One sweep looks at all of them, which costs less than a timer for each."""

import asyncio
import time
from functools import lru_cache
from types import TracebackType
from typing import Self

SWEEP_S = 0.02  # how late a deadline may be


class Deadline:
    """`with Deadline(seconds):` raises TimeoutError where what is inside takes longer, like `asyncio.timeout`."""

    __slots__ = ("_at_s", "_cancelling", "_is_over", "_task", "_watch")

    def __init__(self, seconds: float) -> None:
        self._at_s = time.monotonic() + seconds
        self._is_over = False

    def __enter__(self) -> Self:
        """Begin to watch the running task."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A deadline needs a task.")
        self._task, self._cancelling = task, task.cancelling()
        self._watch = watch_of(task.get_loop())
        self._watch.add(self)
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        """Stop watching; turn the cancellation that was this deadline's into a TimeoutError."""
        self._watch.running.discard(self)
        if self._is_over and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def look(self, now_s: float) -> bool:
        """Cancel the task where its time is over; return whether that is so."""
        if now_s < self._at_s:
            return False
        self._is_over = True
        self._task.cancel()
        return True


class Watch:
    """The deadlines of one event loop."""

    def __init__(self) -> None:
        self.running: set[Deadline] = set()
        self._sweeps = False

    def add(self, deadline: Deadline) -> None:
        """Watch one more."""
        self.running.add(deadline)
        if not self._sweeps:
            self._sweeps = True
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        now_s = time.monotonic()
        self.running -= {deadline for deadline in self.running if deadline.look(now_s)}
        self._sweeps = bool(self.running)
        if self._sweeps:
            asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)


@lru_cache(maxsize=1)
def watch_of(_loop: asyncio.AbstractEventLoop) -> Watch:
    """Return the watch of an event loop; a process has one at a time."""
    return Watch()
