"""The same new posts, heard by short polling, long polling, server-sent events and WebSockets, one way after the other."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from app.bench import live_ways
from app.bench.live_ways import Audience, Client
from app.bench.server_cpu import cpu_s
from app.bench.wire import REST_PREFIX, CannotMeasure, Traffic

TEXT = "What a post of two lines says, which is about as long as most posts of most people are: a sentence, and one more. " * 2
INTERVALS_S = (0.25, 1.0, 5.0)
READY_WAIT_S = 20.0
LAST_WAIT_S = 10.0  # for the last events, beside a poll's interval

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LivePlan:
    """What to measure."""

    url: str
    token: str  # whose posts they are
    listener_token: str = ""  # of the clients; empty: anonymous
    clients: int = 50
    posts_per_s: float = 2.0
    seconds: float = 10.0
    intervals_s: tuple[float, ...] = INTERVALS_S  # of short polling

    @property
    def posts(self) -> int:
        """How many posts are written for each way."""
        return max(1, round(self.posts_per_s * self.seconds))

    @property
    def ways(self) -> dict[str, tuple[Client, float]]:
        """The ways by name: a client, and how late it may be by its own doing, in seconds."""
        polls = {f"short polling, {s:g} s": (live_ways.short_polling(s), s) for s in self.intervals_s}
        return {
            **polls,
            "long polling": (live_ways.long_polling, 0.0),
            "server-sent events": (live_ways.server_sent_events, 0.0),
            "WebSocket": (live_ways.websocket, 0.0),
        }


@dataclass(frozen=True, slots=True)
class LiveCost:
    """What one way cost all clients together."""

    screen: str
    client: str  # the way
    deliveries: int
    p50_ms: float
    p99_ms: float
    requests: int
    wasted: int
    bytes_per_event: float
    connections: int
    cpu_s_per_1000: float  # NaN where the server's processes cannot be seen


@dataclass(frozen=True, slots=True)
class LiveReport:
    """The plan and what came of it."""

    plan: LivePlan
    costs: tuple[LiveCost, ...]
    writing_cpu_s: float | None  # of the server for the same posts without anybody who listens
    taken_at: datetime


async def measure(plan: LivePlan, show: Progress) -> LiveReport:
    """Carry the plan out; `show` is told what is measured, and how many of how many are done.

    Raises:
        CannotMeasure: the server cannot be reached, refuses something, or an event did not arrive.
    """
    names = list(plan.ways)
    show("nobody listens", 0, len(names) + 1)
    before = cpu_s(plan.url)
    await write(plan)
    writing = used(plan.url, before)
    costs = []
    for number, name in enumerate(names, 1):
        show(name, number, len(names) + 1)
        costs.append(await cost_of(plan, name, writing))
    return LiveReport(plan, tuple(costs), writing, datetime.now(UTC))


def used(url: str, before: float | None) -> float | None:
    """Return the server's CPU seconds since then."""
    now = cpu_s(url)
    return now - before if now is not None and before is not None else None


async def cost_of(plan: LivePlan, name: str, writing_cpu_s: float | None) -> LiveCost:
    """Let all clients listen by one way while posts are written; return what that cost."""
    client, slack_s = plan.ways[name]
    async with live_ways.opened(plan.url, plan.listener_token) as audience:
        listening = [asyncio.create_task(as_task(client, audience)) for _ in range(plan.clients)]
        try:
            await until(lambda: audience.ready == plan.clients, listening, READY_WAIT_S)
            await asyncio.sleep(0.3)  # subscriptions are on their way
            audience.traffic = Traffic()
            before = cpu_s(plan.url)
            await write(plan)
            wanted = plan.posts * plan.clients
            await until(lambda: len(audience.latencies_ms) >= wanted, listening, LAST_WAIT_S + slack_s)
            cpu = used(plan.url, before)
        except TimeoutError:
            message = f"By {name}, {len(audience.latencies_ms)} events arrived of {plan.posts * plan.clients}."
            raise CannotMeasure(message) from None
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        return summed_up(plan, name, audience, cpu, writing_cpu_s)


async def as_task(client: Client, audience: Audience) -> None:
    """Run one client."""
    await client(audience)


def summed_up(plan: LivePlan, name: str, audience: Audience, cpu: float | None, writing: float | None) -> LiveCost:
    """Return what an audience saw."""
    times = sorted(audience.latencies_ms)
    listening_cpu = max(0.0, cpu - writing) if cpu is not None and writing is not None else float("nan")
    return LiveCost(
        screen=f"{plan.clients} clients, {plan.posts_per_s:g} posts a second",
        client=name,
        deliveries=len(times),
        p50_ms=times[len(times) // 2],
        p99_ms=times[len(times) * 99 // 100],
        requests=audience.requests,
        wasted=audience.wasted,
        bytes_per_event=audience.traffic.wire_bytes / len(times),
        connections=audience.connections,
        cpu_s_per_1000=listening_cpu * 1000 / len(times),
    )


async def until(condition: Callable[[], bool], tasks: list[asyncio.Task[None]], timeout_s: float) -> None:
    """Wait until something holds, or a client gives up.

    Raises:
        TimeoutError: it took longer.
        CannotMeasure: why the client gave up.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():
            for task in tasks:
                if task.done():
                    raise task.exception() or CannotMeasure("A client ended before its time.")
            await asyncio.sleep(0.005)


async def write(plan: LivePlan) -> None:
    """Write the posts, at their pace.

    Raises:
        CannotMeasure: the server does not take them.
    """
    headers = {"Authorization": f"Bearer {plan.token}"}
    start = time.monotonic()
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as session:
            for number in range(plan.posts):
                await asyncio.sleep(max(0.0, start + number / plan.posts_per_s - time.monotonic()))
                async with session.post(f"{plan.url.rstrip('/')}{REST_PREFIX}/posts", json={"content": TEXT}) as response:
                    if response.status != 201:
                        raise CannotMeasure(f"{plan.url} takes no posts with this --token: {(await response.text())[:200]}.")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise CannotMeasure(f"{plan.url} cannot be reached: {error or type(error).__name__}.") from error
