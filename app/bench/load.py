"""The load: a process of its own that keeps connections busy with requests, so that what it costs is not the servers' cost.

It reads jobs from standard input and writes results to standard output, a line of JSON each. The client is a bare protocol: it
knows just enough of HTTP to see where an answer of a known length ends.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import cast

import orjson
import uvloop

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"
GOOD = b"HTTP/1.1 200 "
GOOD_BODY = b'{"data":'  # an answer with errors begins with them
PATIENCE_S = 30.0  # for the answers to the last requests


@dataclass(frozen=True, slots=True)
class Job:
    """Requests to send: each connection sends one of the bodies, chosen at random, as soon as it has the answer to the last."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int
    seconds: float
    seed: int
    method: str = "POST"


@dataclass(slots=True)
class Done:
    """What came of a job. Latencies are in milliseconds, from sending a request to the last byte of its answer."""

    requests: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    complaint: str = ""  # the first answer that was none, or none that is wanted


@dataclass
class Work:
    """One job in progress."""

    requests: Sequence[bytes]
    chance: Random
    ends_at: float
    finished: asyncio.Future[None]
    busy: int = 0
    latencies_s: list[float] = field(default_factory=list)
    complaint: str = ""

    def leave(self, complaint: str = "") -> None:
        """Note that a connection has ended."""
        self.complaint = self.complaint or complaint
        self.busy -= 1
        if not self.busy and not self.finished.done():
            self.finished.set_result(None)


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._received = bytearray()
        self._wanted = 0  # bytes of the whole answer, 0 while its head is not complete
        self._sent_at = 0.0
        self._is_over = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take what came; where the answer is complete, send the next request."""
        received = self._received
        received += data
        if not self._wanted:
            head_end = received.find(END_OF_HEAD)
            if head_end < 0:
                return
            body_start = head_end + len(END_OF_HEAD)
            self._wanted = body_start + length_in(bytes(received[:head_end]))
            if not received.startswith(GOOD):
                self._end(f"an answer was {bytes(received[:60])!r}")
                return
        if len(received) >= self._wanted:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note a connection that the server closed."""
        if not self._is_over:
            self._is_over = True
            self._work.leave(f"the server closed a connection ({exc})")

    def _take(self) -> None:
        now = time.perf_counter()
        if self._received.find(END_OF_HEAD + GOOD_BODY) < 0:
            self._end(f"an answer had errors: {bytes(self._received[-300:])!r}")
            return
        self._work.latencies_s.append(now - self._sent_at)
        self._received.clear()
        self._wanted = 0
        if now < self._work.ends_at:
            self._send()
        else:
            self._end("")

    def _send(self) -> None:
        work = self._work
        self._sent_at = time.perf_counter()
        cast("asyncio.Transport", self._transport).write(work.requests[work.chance.randrange(len(work.requests))])

    def _end(self, complaint: str) -> None:
        self._is_over = True
        cast("asyncio.Transport", self._transport).close()
        self._work.leave(complaint)


def length_in(head: bytes) -> int:
    """Return the length of the body that a head announces."""
    start = head.lower().find(LENGTH)
    return int(head[start + len(LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0


def request_of(job: Job, body: str) -> bytes:
    """Return the bytes of one request."""
    content = body.encode()
    lines = [f"{job.method} {job.path} HTTP/1.1", f"Host: 127.0.0.1:{job.port}"]
    lines += [f"Content-Length: {len(content)}"] if content else []
    lines += [f"{name}: {value}" for name, value in job.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def done(job: Job) -> Done:
    """Do a job."""
    loop = asyncio.get_running_loop()
    requests = [request_of(job, body) for body in job.bodies]
    started = time.perf_counter()
    work = Work(requests, Random(job.seed), started + job.seconds, loop.create_future(), job.connections)  # noqa: S311
    for _ in range(job.connections):
        await loop.create_connection(lambda: Caller(work), "127.0.0.1", job.port)
    try:
        async with asyncio.timeout(job.seconds + PATIENCE_S):
            await work.finished
    except TimeoutError:
        work.complaint = work.complaint or f"no answer within {PATIENCE_S:g} seconds"
    seconds = time.perf_counter() - started
    times = sorted(work.latencies_s) or [0.0]
    p50_s, p99_s = times[len(times) // 2], times[len(times) * 99 // 100]
    return Done(len(work.latencies_s), seconds, p50_s * 1000, p99_s * 1000, work.complaint)


def main() -> None:
    """Do jobs until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the one who gives the jobs, and who ends us
    for line in sys.stdin.buffer:
        try:
            result = uvloop.run(done(Job(**orjson.loads(line))))
        except OSError as error:
            result = Done(complaint=str(error))
        sys.stdout.buffer.write(orjson.dumps(asdict(result)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
