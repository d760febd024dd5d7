"""Fan-out measured: deliveries a second, latency, the memory of idle listeners, and a soak of comings and goings."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from app.bench.listening import Crowd
from app.bench.wire import CannotMeasure

CREATE = "mutation($input: CreatePostInput!) { createPost(input: $input) { post { id } } }"
WRITERS = 8  # at once, in a burst
PATIENCE_S = 120.0
KIB = 1024
SAMPLE_S = 10.0
KEPT_IN_MEMORY = 10_000  # events that a server of ours keeps for those who come back: until then its memory grows by them

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """A server to measure, and whose it is."""

    name: str
    url: str
    pid: int
    token: str = ""  # of who writes
    mutation: str = ""  # that makes the server tell of a post, with the variable $title; empty: feedgraph's


@dataclass(slots=True)
class FanOut:
    """What one server did."""

    name: str
    listeners: int
    events: int
    deliveries_per_s: float
    server_cpu_s_per_1000: float
    client_cpu_s_per_1000: float
    one_event_ms: float  # from sending the post to the last listener's hearing, one post at a time, median
    paced_p50_ms: float  # the same at `rate` posts a second
    paced_p99_ms: float
    paced_server_cpu_s_per_1000: float  # where each post goes out alone


@dataclass(slots=True)
class Idle:
    """Subscriptions that only wait."""

    listeners: int
    kib_each: float  # resident memory of the server, more than before, for each
    one_event_ms: float  # from sending a post to the last listener's hearing, median


@dataclass(slots=True)
class Soak:
    """Memory and descriptors of the server over time, while listeners come and go."""

    rounds: int = 0
    samples: list[tuple[float, float, int]] = field(default_factory=list)  # second, MiB resident, descriptors


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Writer:
    """Somebody who writes posts."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session = session
        self._url = target.url + "/graphql"
        self._mutation = target.mutation
        self._headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}

    async def write(self, title: str) -> None:
        """Write one post.

        Raises:
            CannotMeasure: the server does not take it.
        """
        body = {"query": CREATE, "variables": {"input": {"content": "Hello", "title": title}}}
        if self._mutation:
            body = {"query": self._mutation, "variables": {"title": title}}
        async with self._session.post(self._url, json=body, headers=self._headers) as response:
            answer: Any = await response.json(content_type=None)
        if response.status != 200 or "errors" in answer:
            raise CannotMeasure(f"{self._url} answered {response.status}: {str(answer)[:300]}.")

    async def write_many(self, count: int) -> None:
        """Write posts, several at once."""
        left = iter(range(count))

        async def some() -> None:
            for number in left:
                await self.write(f"Post {1000 + number}")

        await asyncio.gather(*(some() for _ in range(WRITERS)))


async def signed_up(session: aiohttp.ClientSession, url: str) -> str:
    """Return the token of a new user."""
    query = "mutation($input: SignUpInput!) { signUp(input: $input) { token } }"
    new = {"username": f"bench{random.randrange(10**9)}", "password": "correct horse battery", "name": "Somebody"}  # noqa: S311
    async with session.post(url + "/graphql", json={"query": query, "variables": {"input": new}}) as response:
        answer: Any = await response.json()
    return str(answer["data"]["signUp"]["token"])


async def fan_out(session: aiohttp.ClientSession, target: Target, *, listeners: int, events: int, rate: float) -> FanOut:
    """Measure one server: a burst of events, then one at a time, then at a pace."""
    crowd, writer = Crowd(target.url), Writer(session, target)
    await crowd.open(listeners)
    try:
        await one_event_ms(crowd, writer, 3)  # warm, and everybody has subscribed
        server_cpu, client_cpu, started = cpu_s(target.pid), time.process_time(), time.perf_counter()
        wanted = crowd.heard + events * listeners
        await asyncio.gather(writer.write_many(events), crowd.until_heard(wanted, PATIENCE_S))
        took_s = time.perf_counter() - started
        server_cpu, client_cpu = cpu_s(target.pid) - server_cpu, time.process_time() - client_cpu
        thousands = events * listeners / 1000
        alone = await one_event_ms(crowd, writer, 20)
        count, paced_cpu = max(20, int(rate * 5)), cpu_s(target.pid)
        paced = sorted(await paced_ms(crowd, writer, count=count, rate=rate))
        paced_cpu = cpu_s(target.pid) - paced_cpu
        return FanOut(
            target.name,
            listeners,
            events,
            events * listeners / took_s,
            server_cpu / thousands,
            client_cpu / thousands,
            statistics.median(alone),
            statistics.median(paced),
            paced[int(len(paced) * 0.99)],
            paced_cpu / (count * listeners / 1000),
        )
    finally:
        crowd.close()


async def one_event_ms(crowd: Crowd, writer: Writer, count: int) -> list[float]:
    """Write posts one at a time; return how long each took to reach everybody, from its sending on."""
    times = []
    for number in range(count):
        started, wanted = time.perf_counter(), crowd.heard + len(crowd.listeners)
        await asyncio.gather(writer.write(f"Post {1000 + number}"), crowd.until_heard(wanted, PATIENCE_S))
        times.append((time.perf_counter() - started) * 1000)
    return times


async def paced_ms(crowd: Crowd, writer: Writer, *, count: int, rate: float) -> list[float]:
    """Write posts at a rate; return the same for each."""
    loop = asyncio.get_running_loop()
    begin, start, writing = crowd.heard, loop.time(), []
    times = []

    async def heard_at(number: int) -> float:
        while crowd.heard < begin + (number + 1) * len(crowd.listeners):  # noqa: ASYNC110  # many wait for different counts
            await asyncio.sleep(0.0005)
        return loop.time()

    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
        sent = loop.time()
        writing.append(asyncio.ensure_future(writer.write(f"Post {1000 + number}")))
        async with asyncio.timeout(PATIENCE_S):
            times.append((await heard_at(number) - sent) * 1000)
    await asyncio.gather(*writing)
    return times


async def idle(session: aiohttp.ClientSession, target: Target, *, listeners: int) -> Idle:
    """Measure what waiting subscriptions cost in memory, and how fast one event reaches all."""
    crowd, writer = Crowd(target.url), Writer(session, target)
    await crowd.open(min(100, listeners))  # what the first ones cost the process as a whole
    await one_event_ms(crowd, writer, 3)
    before, known = resident_bytes(target.pid), len(crowd.listeners)
    try:
        await crowd.open(listeners)
        await asyncio.sleep(1)  # the last ones subscribe
        each = (resident_bytes(target.pid) - before) / max(1, listeners - known)
        times = await one_event_ms(crowd, writer, 10)
        return Idle(listeners, each / KIB, statistics.median(times))
    finally:
        crowd.close()


async def soak(
    session: aiohttp.ClientSession, target: Target, *, seconds: float, tell: Tell, before: int = KEPT_IN_MEMORY
) -> Soak:
    """Let listeners come and go under writes, and look at the server's memory and descriptors meanwhile.

    `before` are posts that are written first, so that memory has no reason to grow.
    """
    result, writer = Soak(), Writer(session, target)
    await writer.write_many(before)
    stay = Crowd(target.url)
    await stay.open(100)
    started = time.monotonic()
    next_sample = 0.0
    try:
        while (second := time.monotonic() - started) < seconds:
            if second >= next_sample:
                sample = (round(second, 1), resident_bytes(target.pid) / KIB**2, len(os.listdir(f"/proc/{target.pid}/fd")))
                result.samples.append(sample)
                tell(f"{sample[0]:7.0f} s  {sample[1]:7.1f} MiB  {sample[2]:5d} descriptors")
                next_sample += SAMPLE_S
            await one_round(target, writer)
            result.rounds += 1
        return result
    finally:
        stay.close()


async def one_round(target: Target, writer: Writer) -> None:
    """Open listeners, let them subscribe and unsubscribe, write, and leave in mid-stream."""
    crowd = Crowd(target.url)
    await crowd.open(20)
    for number in range(5):
        for listener in crowd.listeners:
            listener.say({"id": "1", "type": "complete"})
            listener.say(
                {"id": "1", "type": "subscribe", "payload": {"query": f"subscription {{ postAdded {{ id a{number}: id }} }}"}}
            )
        await writer.write(f"Post {1000 + number}")
    crowd.close()


def as_dict(report: FanOut | Idle | Soak) -> dict[str, Any]:
    """Return a report for JSON."""
    return asdict(report)
