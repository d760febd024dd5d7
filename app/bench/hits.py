"""Cache hits measured: a persisted public GET that hits, beside an aiohttp handler that returns the same bytes, and beside the
same query executed each time.

Both servers run all the time; they are loaded in turn, round after round, so that a slow minute of the machine falls on all.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import median
from typing import cast
from urllib.parse import urlencode

import orjson

from app.bench.engine import QUERIES, SEED, body_of, sent
from app.bench.load import Job
from app.bench.processes import cpu_s
from app.bench.wire import CannotMeasure, opened

HIT, FLOOR, EXECUTED = "cache hit", "aiohttp, same bytes", "executed"
QUERY = QUERIES["Q2"]
ACCEPT = "application/graphql-response+json"
LEAST = 0.8  # of the floor's requests per second, wanted
WARM_UP_S = 0.5
SOURCE = "Feedgraph-Executor"  # the header that says where an answer came from

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class HitsPlan:
    """What to measure, and how often."""

    port: int
    pid: int
    floor_port: int
    floor_pid: int
    user_id: str
    seconds: float
    rounds: int
    connections: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One way to answer, for some seconds."""

    way: str
    per_s: float
    cpu_ms: float  # of the server's process, for each request
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class HitsReport:
    """Everything that was measured, round after round."""

    plan: HitsPlan
    body_bytes: int
    samples: list[Sample] = field(default_factory=list)
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def of(self, way: str) -> list[Sample]:
        """Return one way's samples, in the order of rounds."""
        return [sample for sample in self.samples if sample.way == way]

    def typical(self, way: str) -> Sample:
        """Return the medians over the rounds."""
        names = ("per_s", "cpu_ms", "p50_ms", "p99_ms")
        return Sample(way, *(median(getattr(sample, name) for sample in self.of(way)) for name in names))

    @property
    def of_floor(self) -> float:
        """Which part of the floor's requests per second the hit reaches: the median of the rounds' ratios."""
        return median(hit.per_s / floor.per_s for hit, floor in zip(self.of(HIT), self.of(FLOOR), strict=True))

    @property
    def times_cpu(self) -> float:
        """How many times the floor's CPU the hit takes, over all rounds; 0 where these were too short for Linux to tell."""
        used = {way: sum(sample.cpu_ms for sample in self.of(way)) for way in (HIT, FLOOR)}
        return used[HIT] / used[FLOOR] if used[FLOOR] else 0.0


def address_of(user_id: str) -> str:
    """Return the path of the persisted query for one person."""
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(QUERY.encode()).hexdigest()}}
    parameters = {"variables": orjson.dumps({"id": user_id}), "extensions": orjson.dumps(extensions)}
    return "/graphql?" + urlencode(parameters)


async def register(url: str, user_id: str) -> None:
    """Register the query by its hash, and have its answer kept.

    Raises:
        CannotMeasure: the server does not keep it.
    """
    async with opened(url) as wire:
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(QUERY.encode()).hexdigest()}}
        request = {"query": QUERY, "variables": {"id": user_id}, "extensions": extensions}
        await wire.exchange("POST", "/graphql", orjson.dumps(request))
        for _ in range(2):
            response, body = await wire.exchange("GET", address_of(user_id), None, accept=ACCEPT)
        if response.headers.get(SOURCE) != "cache":
            raise CannotMeasure(f"{url} does not keep the answer to a persisted public query: {body[:200]!r}.")


async def measure(plan: HitsPlan, progress: Progress) -> HitsReport:
    """Warm up, and load the ways in turn.

    Raises:
        CannotMeasure: the two answers differ, or an answer was not what was asked for.
    """
    size = await same_bytes(plan)
    common = (plan.connections, plan.seconds, SEED)
    get = Job(plan.port, address_of(plan.user_id), {"Accept": ACCEPT}, [""], *common, method="GET")
    json_headers = {"Accept": ACCEPT, "Content-Type": "application/json"}
    post = Job(plan.port, "/graphql", json_headers, [body_of(QUERY, int(plan.user_id))], *common)
    ways = {HIT: (plan.pid, get), FLOOR: (plan.floor_pid, replace(get, port=plan.floor_port)), EXECUTED: (plan.pid, post)}
    report, done = HitsReport(plan, size), 0
    async with load() as process:
        for number in range(plan.rounds + 1):  # the first is to warm up
            for way, (pid, job) in ways.items():
                progress(way, done, (plan.rounds + 1) * len(ways))
                seconds = plan.seconds if number else min(WARM_UP_S, plan.seconds)
                sample = await loaded(process, way, pid, replace(job, seconds=seconds))
                if number:
                    report.samples.append(sample)
                done += 1
    return report


async def same_bytes(plan: HitsPlan) -> int:
    """Return the size of the body that both servers answer with.

    Raises:
        CannotMeasure: they answer differently.
    """
    bodies = []
    for port in (plan.port, plan.floor_port):
        async with opened(f"http://127.0.0.1:{port}") as wire:
            _, body = await wire.exchange("GET", address_of(plan.user_id), None, accept=ACCEPT)
            bodies.append(body)
    if bodies[0] != bodies[1]:
        raise CannotMeasure("The two servers answer differently: nothing was measured.")
    return len(bodies[0])


@asynccontextmanager
async def load() -> AsyncIterator[asyncio.subprocess.Process]:
    """Give the process that makes the load, until the context ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.bench.load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
        cast("asyncio.StreamWriter", process.stdin).close()  # there are no more jobs
    except BaseException:
        process.kill()
        raise
    finally:
        await process.wait()


async def loaded(process: asyncio.subprocess.Process, way: str, pid: int, job: Job) -> Sample:
    """Load one server; return what it took.

    Raises:
        CannotMeasure: an answer was not what was asked for.
    """
    used_s = cpu_s(pid)
    done = await sent(process, job)
    used_s = cpu_s(pid) - used_s
    if done.complaint or not done.requests:
        raise CannotMeasure(f"{way}: {done.complaint or 'no answer came'}.")
    return Sample(way, done.requests / done.seconds, used_s * 1000 / done.requests, done.p50_ms, done.p99_ms)
