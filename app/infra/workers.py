"""Several processes of one program side by side: started, watched, started again when they die, and stopped together."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.domain.errors import ConfigurationError
from app.infra.embedded.process import dying_with_parent

log = structlog.get_logger(__name__)

READY_WAIT_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0  # before a process that died is started again; doubled each time
SOUND_S = 30.0  # who has run for so long begins with the first pause again
READY = b"ready\n"


@dataclass(slots=True)
class Worker:
    """One of the processes, and the program that runs in it now."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)


class Workers:
    """A program in several processes. It says that it is ready by writing a line to the descriptor in `--ready-fd`."""

    def __init__(self, command: list[str], count: int, *, environment: Mapping[str, str], stop_s: float) -> None:
        self._command = command
        self._environment = dict(environment)
        self._stop_s = stop_s
        self._workers = [Worker(number) for number in range(1, count + 1)]
        self._is_stopping = False

    async def run(self, *, ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Keep the processes alive until `stop` is set, then end them. `ready` is called once all of them serve.

        Raises:
            ConfigurationError: one of them refuses to start, and has said why.
        """
        watching = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        stopping = asyncio.create_task(stop.wait())
        all_ready = asyncio.create_task(self._all_ready())
        until_ready: list[asyncio.Task[Any]] = [all_ready, stopping, *watching]
        try:
            await asyncio.wait(until_ready, timeout=READY_WAIT_S, return_when=asyncio.FIRST_COMPLETED)
            if all_ready.done():
                ready()
                await asyncio.wait(until_ready[1:], return_when=asyncio.FIRST_COMPLETED)
            elif not stopping.done() and not any(task.done() for task in watching):
                raise ConfigurationError(f"The server's processes are not ready after {READY_WAIT_S:g} seconds.")
        finally:
            all_ready.cancel()
            stopping.cancel()
            await self._end(watching)
        for task in watching:
            task.result()  # why one of them refused

    async def _all_ready(self) -> None:
        for worker in self._workers:
            await worker.is_ready.wait()

    async def _keep(self, worker: Worker) -> None:
        """Run one process, again and again."""
        pause_s = FIRST_PAUSE_S
        while not self._is_stopping:
            started_at = asyncio.get_running_loop().time()
            status = await self._run_once(worker)
            if self._is_stopping:
                return
            if status == 2 and not worker.is_ready.is_set():
                raise ConfigurationError("A process of the server could not start.")
            log.error("worker_died", worker=worker.number, status=status)
            if asyncio.get_running_loop().time() - started_at > SOUND_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _run_once(self, worker: Worker) -> int:
        """Run one process to its end; return its exit status."""
        readable, writable = os.pipe()
        try:
            worker.process = subprocess.Popen(  # noqa: ASYNC220  # it returns at once
                [*self._command, "--ready-fd", str(writable)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(writable,),
                start_new_session=True,  # the terminal's Ctrl-C is for us alone: we end them in order
                preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509  # it only makes system calls
            )
        finally:
            os.close(writable)
        loop = asyncio.get_running_loop()
        loop.add_reader(readable, self._hear, readable, worker)
        try:
            while (status := worker.process.poll()) is None:  # noqa: ASYNC110  # a child watcher would need a thread for each
                await asyncio.sleep(0.05)
            return status
        finally:
            loop.remove_reader(readable)
            os.close(readable)

    def _hear(self, readable: int, worker: Worker) -> None:
        if os.read(readable, len(READY)) == READY:
            worker.is_ready.set()
        else:
            asyncio.get_running_loop().remove_reader(readable)

    async def _end(self, watching: list[asyncio.Task[None]]) -> None:
        """Ask all processes to end, side by side; kill what has not after a while."""
        self._is_stopping = True
        self._signal(signal.SIGTERM)
        _, alive = await asyncio.wait(watching, timeout=self._stop_s)
        if alive:
            log.error("workers_killed", number=len(alive))
            self._signal(signal.SIGKILL)
            await asyncio.wait(alive)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                with suppress(ProcessLookupError):
                    worker.process.send_signal(number)


def this_program(*arguments: str) -> list[str]:
    """Return the command that runs this program with other arguments."""
    return [sys.executable, "-m", "app", *arguments]


def say_ready(descriptor: int) -> None:
    """Tell the process that started us that we serve."""
    with suppress(OSError):
        os.write(descriptor, READY)
        os.close(descriptor)
