"""Runs the clients through the screens and gives what each cost."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from app.bench import targets
from app.bench.clients import Client, chosen_clients
from app.bench.listeners import listener_of
from app.bench.processes import family_cpu_s
from app.bench.screens import SCREENS, Screen, Target
from app.bench.wire import CannotMeasure, Traffic, opened

GET_READY = "Looking for a thread"
CPU_RUNS = 20  # the system tells hundredths of a second


@dataclass(frozen=True)
class Plan:
    """What to measure: the server's address, whose screens, and how often."""

    url: str
    user_id: str
    token: str
    post_id: str | None = None
    runs: int = 9
    round_trip_ms: float = 50
    cpu_runs: int = CPU_RUNS
    every: bool = False  # all clients instead of the usual three
    grpc: str | None = None  # where the server listens for gRPC (host:port); None: that client is left out

    @property
    def clients(self) -> dict[str, Client]:
        """The clients that are compared, by name."""
        chosen = chosen_clients(every=self.every)
        return {name: client for name, client in chosen.items() if self.grpc or not client.speaks_grpc}


@dataclass(frozen=True)
class Cost:
    """What one client spent on one screen. Times are milliseconds; `app.bench.columns` tells what each measure means.

    `cpu_ms` is None where the server's processes cannot be seen from here.
    """

    screen: str
    client: str
    requests: int
    round_trips: int
    statements: int
    rows: int
    wire_bytes: int
    body_bytes: int
    unneeded_bytes: int
    cpu_ms: float | None
    wall_ms: float
    distant_ms: float


@dataclass(frozen=True)
class Report:
    """The result of a plan: a cost for each screen and client, in the order in which they ran."""

    plan: Plan
    target: Target
    taken_at: datetime
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class Run:
    """One client's way to one screen."""

    shown: Any
    round_trips: int
    traffic: Traffic
    wall_ms: float


async def measure(plan: Plan, progress: Callable[[str, int, int], None]) -> Report:
    """Measure every client on every screen; `progress` hears (what, steps done, steps in all).

    Raises:
        CannotMeasure: the server, the user, the feed or a thread is missing, or two clients got different screens.
    """
    total = len(SCREENS) * (plan.runs + 1)
    progress(GET_READY, 0, total)
    async with AsyncExitStack() as stack:
        wires = {name: await stack.enter_async_context(wire_of(client, plan)) for name, client in plan.clients.items()}
        scout = await stack.enter_async_context(opened(plan.url))
        target = await targets.find(scout, user_id=plan.user_id, post_id=plan.post_id, token=plan.token)
        costs: list[Cost] = []
        for index, screen in enumerate(SCREENS):
            rounds: list[dict[str, Run]] = []
            for number in range(plan.runs + 1):
                progress(screen.name, index * (plan.runs + 1) + number, total)
                rounds.append(await all_clients(wires, screen, target, plan, counted=number == 0))
            cpu_ms = {name: await cpu_of(wires[name], client, screen, target, plan) for name, client in plan.clients.items()}
            costs += costs_of(screen, plan, rounds, cpu_ms)
    progress("done", total, total)
    return Report(plan, target, datetime.now(UTC), tuple(costs))


def wire_of(client: Client, plan: Plan) -> AbstractAsyncContextManager[Any]:
    """Return the wire that a client speaks over: connections of its own to the server."""
    if not client.speaks_grpc:
        return opened(plan.url)
    from app.bench import grpc_client  # noqa: PLC0415  # importing grpc takes a tenth of a second

    return grpc_client.opened(plan.grpc or "")


async def all_clients(wires: dict[str, Any], screen: Screen, target: Target, plan: Plan, *, counted: bool) -> dict[str, Run]:
    """Let each client get the screen once.

    Raises:
        CannotMeasure: they did not all get the same.
    """
    runs: dict[str, Run] = {}
    for name, client in plan.clients.items():
        wire = wires[name]
        wire.traffic, wire.asks_counts, wire.token = Traffic(), counted, plan.token if screen.signed_in else None
        started = time.perf_counter()
        shown, round_trips = await client.fetch(wire, screen, target)
        runs[name] = Run(shown, round_trips, wire.traffic, (time.perf_counter() - started) * 1000)
    require_same(screen, runs)
    return runs


async def cpu_of(wire: Any, client: Client, screen: Screen, target: Target, plan: Plan) -> float | None:
    """Return the CPU milliseconds that the server and what it started spend on a screen; None where they cannot be seen."""
    pid = await asyncio.to_thread(listener_of, plan.url)
    if pid is None:
        return None
    wire.traffic, wire.asks_counts = Traffic(), False  # the last round's are kept for the report
    before_s = family_cpu_s(pid)
    for _ in range(plan.cpu_runs):
        await client.fetch(wire, screen, target)
    return (family_cpu_s(pid) - before_s) * 1000 / plan.cpu_runs


def require_same(screen: Screen, runs: dict[str, Run]) -> None:
    """Refuse to compare different answers.

    Raises:
        CannotMeasure: two clients ended with different screens.
    """
    (first, reference), *others = runs.items()
    for name, run in others:
        if run.shown != reference.shown:
            raise CannotMeasure(
                f"The {screen.name} is not the same for {first} and for {name}, so their costs cannot be compared: "
                "measure while nobody writes."
            )


def costs_of(screen: Screen, plan: Plan, rounds: list[dict[str, Run]], cpu_ms: dict[str, float | None]) -> Iterator[Cost]:
    """Give each client's cost: statements and rows of the first round, which asked for them, the rest of the plain rounds.

    Raises:
        CannotMeasure: fewer bytes were seen on the wire than the bodies have, so that they cannot have been counted.
    """
    counted, *plain = rounds
    for name in plan.clients:
        run = plain[-1][name]
        if run.traffic.received_bytes < run.traffic.body_bytes:
            raise CannotMeasure("Bytes cannot be counted: this event loop does not read through Python's sockets.")
        wall_ms = statistics.median(round_[name].wall_ms for round_ in plain)
        yield Cost(
            screen=screen.name,
            client=name,
            requests=run.traffic.requests,
            round_trips=run.round_trips,
            statements=counted[name].traffic.statements,
            rows=counted[name].traffic.rows,
            wire_bytes=run.traffic.wire_bytes,
            body_bytes=run.traffic.body_bytes,
            unneeded_bytes=run.traffic.body_bytes - needed_bytes(run.shown),
            cpu_ms=cpu_ms[name],
            wall_ms=wall_ms,
            distant_ms=wall_ms + plan.round_trip_ms * run.round_trips,
        )


def needed_bytes(shown: Any) -> int:
    """Return the least that a screen needs: each distinct user and post once, as compact JSON of just the fields it shows.

    A user who stands at several places counts once, with the fields of all these places. What one client gets beyond this
    (fields that are not shown, the same author again, names of lists, envelopes) was not needed; the measure is the same for all.
    """
    things: dict[tuple[bool, str], dict[str, Any]] = {}
    for thing in objects_in(shown):
        if "id" in thing:
            is_user = "username" in thing
            scalars = {name: value for name, value in thing.items() if not isinstance(value, dict | list)}
            things.setdefault((is_user, thing["id"]), {}).update(scalars)
    return sum(len(orjson.dumps(thing)) for thing in things.values())


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Give every object inside a JSON value, itself first."""
    if isinstance(value, dict):
        yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inside:
        yield from objects_in(part)
