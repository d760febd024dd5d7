"""The engine measured: the same queries by plans, by stock Strawberry in the same server, and one page by hand.

All servers run all the time on the same data; they are loaded one after the other, round after round, so that a slow minute of
the machine falls on all. What counts is CPU time for each request, of server and PostgreSQL, and its ratios within a round.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import cast

import orjson

from app.bench.load import Done, Job
from app.bench.processes import cpu_s, family_cpu_s
from app.bench.wire import CannotMeasure, opened

PLAN, STOCK, FLOOR = "plan", "stock", "by hand"
WARM_UP_S = 1.0
SEED = 1

QUERIES = {
    "Q1": "query($id:ID!){ user(id:$id){ posts(first:20){ title author{ name } } } }",
    "Q2": (
        "query($id:ID!){ user(id:$id){ id username name posts(first:20){ id title content createdAt likesCount repliesCount "
        "author{ id username name avatarUrl } replies(first:3){ id content createdAt author{ id username name } } } } }"
    ),
    "Q3": (
        "query($id:ID!){ user(id:$id){ followers(first:10){ nodes{ username "
        "posts(first:5){ title likesCount author{ name } } } } } }"
    ),
}
BY_HAND = "Q2"  # the query whose page is written by hand
LEAST_LESS = {"Q1": 4.0, "Q2": 10.0, "Q3": 8.0}  # times less server CPU than stock, wanted
MOST_OF_FLOOR = 1.5  # times the total CPU of the page by hand, wanted

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """A server to load."""

    name: str
    port: int
    pid: int
    queries: tuple[str, ...] = tuple(QUERIES)


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """What to measure, and how often."""

    variants: Sequence[Variant]
    postgres_pid: int
    token: str  # of a caller without a limit
    users: int  # ids are 1 to this
    seconds: float
    rounds: int
    connections: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One variant under one query for some seconds."""

    query: str
    variant: str
    per_s: float
    server_ms: float  # CPU for each request
    postgres_ms: float
    p50_ms: float
    p99_ms: float

    @property
    def total_ms(self) -> float:
        """CPU of server and PostgreSQL for each request."""
        return self.server_ms + self.postgres_ms


@dataclass(slots=True)
class EngineReport:
    """Everything that was measured, round after round."""

    plan: EnginePlan
    samples: list[Sample] = field(default_factory=list)
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def of(self, query: str, variant: str) -> list[Sample]:
        """Return the samples of one query by one variant, in the order of rounds."""
        return [sample for sample in self.samples if (sample.query, sample.variant) == (query, variant)]

    def typical(self, query: str, variant: str) -> Sample:
        """Return the medians over the rounds."""
        samples = self.of(query, variant)
        names = ("per_s", "server_ms", "postgres_ms", "p50_ms", "p99_ms")
        return Sample(query, variant, *(median(getattr(sample, name) for sample in samples) for name in names))

    def times_less(self, query: str) -> float:
        """Return how many times more server CPU stock needs: the median of the rounds' ratios."""
        pairs = zip(self.of(query, STOCK), self.of(query, PLAN), strict=True)
        return median(stock.server_ms / plan.server_ms for stock, plan in pairs)

    @property
    def times_floor(self) -> float:
        """How many times the total CPU of the page by hand the plan needs for it: the median of the rounds' ratios."""
        pairs = zip(self.of(BY_HAND, PLAN), self.of(BY_HAND, FLOOR), strict=True)
        return median(plan.total_ms / by_hand.total_ms for plan, by_hand in pairs)


async def measure(plan: EnginePlan, progress: Progress) -> EngineReport:
    """Compare the variants' answers, warm up, and load them in turn.

    Raises:
        CannotMeasure: the answers differ, or a server does not answer as it should.
    """
    await refuse_different(plan)
    report, done = EngineReport(plan), 0
    turns = [(query, variant) for query in QUERIES for variant in plan.variants if query in variant.queries]
    total = (plan.rounds + 1) * len(turns)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.bench.load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        for number in range(plan.rounds + 1):  # the first is to warm up
            for query, variant in turns:
                progress(f"{query} {variant.name}", done, total)
                seconds = plan.seconds if number else min(WARM_UP_S, plan.seconds)
                sample = await loaded(process, plan, query, variant, seconds)
                if number:
                    report.samples.append(sample)
                done += 1
        cast("asyncio.StreamWriter", process.stdin).close()  # there are no more jobs
    except BaseException:
        process.kill()
        raise
    finally:
        await process.wait()
    return report


async def refuse_different(plan: EnginePlan) -> None:
    """Refuse to measure servers that do not answer the same, byte by byte.

    Raises:
        CannotMeasure: two answers differ, or there is one with errors.
    """
    for id_ in (1, plan.users // 2, plan.users, plan.users + 1):
        for name, query in QUERIES.items():
            body, answers = body_of(query, id_), dict[str, bytes]()
            for variant in plan.variants:
                if name in variant.queries:
                    async with opened(f"http://127.0.0.1:{variant.port}") as wire:
                        wire.token = plan.token
                        response, answers[variant.name] = await wire.exchange("POST", "/graphql", body.encode())
                    if response.status != 200 or not answers[variant.name].startswith(b'{"data":'):
                        raise CannotMeasure(
                            f"{name} by {variant.name} answered {response.status}: {answers[variant.name][:200]!r}."
                        )
            if len(set(answers.values())) > 1:
                raise CannotMeasure(
                    f"{name} for user {id_} is answered differently by {', '.join(answers)}: nothing was measured."
                )


async def loaded(process: asyncio.subprocess.Process, plan: EnginePlan, query: str, variant: Variant, seconds: float) -> Sample:
    """Load one variant with one query; return what it took.

    Raises:
        CannotMeasure: an answer was not what was asked for.
    """
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/graphql-response+json",
        "Authorization": f"Bearer {plan.token}",
    }
    chance = random.Random(SEED)  # noqa: S311  # every variant gets the same ids
    ids = chance.sample(range(1, plan.users + 1), min(plan.users, 2_000))
    bodies = [body_of(QUERIES[query], id_) for id_ in ids]
    job = Job(variant.port, "/graphql", headers, bodies, plan.connections, seconds, SEED)
    server_s, postgres_s = cpu_s(variant.pid), family_cpu_s(plan.postgres_pid)
    done = await sent(process, job)
    server_s, postgres_s = cpu_s(variant.pid) - server_s, family_cpu_s(plan.postgres_pid) - postgres_s
    if done.complaint or not done.requests:
        raise CannotMeasure(f"{query} by {variant.name}: {done.complaint or 'no answer came'}.")
    each = 1000 / done.requests
    return Sample(query, variant.name, done.requests / done.seconds, server_s * each, postgres_s * each, done.p50_ms, done.p99_ms)


async def sent(process: asyncio.subprocess.Process, job: Job) -> Done:
    """Have the load's process do a job."""
    to_process = cast("asyncio.StreamWriter", process.stdin)
    to_process.write(orjson.dumps(asdict(job)) + b"\n")
    await to_process.drain()
    line = await cast("asyncio.StreamReader", process.stdout).readline()
    if not line:
        raise CannotMeasure("The process that makes the load ended.")
    return Done(**orjson.loads(line))


def body_of(query: str, id_: int) -> str:
    """Return the body of a request."""
    return orjson.dumps({"query": query, "variables": {"id": str(id_)}}).decode()
