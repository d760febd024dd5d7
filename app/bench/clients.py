"""The clients of one server: of REST, which assemble a screen from pieces, and of GraphQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from app.bench.including import including
from app.bench.screens import Item, Result, Screen, Target
from app.bench.wire import CannotMeasure, Wire

_chain: ContextVar[int] = ContextVar("chain", default=0)  # round trips that led to where this task is


class NaiveRest:
    """Asks for every reference when it meets it, again for one that it has seen, one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def get(self, path: str) -> Any:
        """Ask."""
        return await self._wire.get(path)

    async def each(self, step: Callable[[Item], Awaitable[Result]], items: Iterable[Item]) -> list[Result]:
        """Take one step after the other."""
        return [await step(item) for item in items]

    def expects(self, _count: int) -> bool:
        """Look without reading the count first."""
        return True


class CarefulRest:
    """Asks for each distinct thing once, for everything whose address is known at the same time, and for no empty list."""

    def __init__(self, wire: Wire, group: asyncio.TaskGroup) -> None:
        self._wire = wire
        self._group = group
        self._asked: dict[str, asyncio.Task[tuple[Any, int]]] = {}
        self.round_trips = 0

    async def get(self, path: str) -> Any:
        """Return what was asked for before, or ask. The chain behind it is as long as that of the request that brought it."""
        if path not in self._asked:
            self._asked[path] = self._group.create_task(self._ask(path, _chain.get() + 1))
        body, chain = await self._asked[path]
        _chain.set(max(_chain.get(), chain))
        return body

    async def _ask(self, path: str, chain: int) -> tuple[Any, int]:
        self.round_trips = max(self.round_trips, chain)
        return await self._wire.get(path), chain

    async def each(self, step: Callable[[Item], Awaitable[Result]], items: Iterable[Item]) -> list[Result]:
        """Take all steps at the same time; what follows stands at the end of their longest chain."""

        async def measured(item: Item) -> tuple[Result, int]:
            return await step(item), _chain.get()

        tasks = [self._group.create_task(measured(item)) for item in items]
        ends = [await task for task in tasks]
        _chain.set(max([_chain.get(), *(chain for _, chain in ends)]))
        return [result for result, _ in ends]

    def expects(self, count: int) -> bool:
        """Leave out what is told to be empty."""
        return count > 0


async def naive(wire: Wire, screen: Screen, target: Target) -> tuple[Any, int]:
    """Assemble the screen one request after the other; return it with its sequential round trips: as many as requests."""
    before = wire.traffic.requests
    shown = await screen.assemble(NaiveRest(wire), target)
    return shown, wire.traffic.requests - before


async def careful(wire: Wire, screen: Screen, target: Target) -> tuple[Any, int]:
    """Assemble the screen with as few requests and as short a chain as REST allows; return it with the chain's length.

    Raises:
        CannotMeasure: a request failed; the others are called off.
    """
    try:
        async with asyncio.TaskGroup() as group:
            client = CarefulRest(wire, group)
            shown = await group.create_task(screen.assemble(client, target))
    except ExceptionGroup as failures:
        known = failures.subgroup(CannotMeasure)
        raise (known.exceptions[0] if known else failures) from None
    return shown, client.round_trips


async def graphql(wire: Wire, screen: Screen, target: Target) -> tuple[Any, int]:
    """Ask for the whole screen at once; return it with its one round trip."""
    return await wire.graphql(screen.query, screen.variables(target)), 1


async def over_grpc(wire: Any, screen: Screen, target: Target) -> tuple[Any, int]:
    """Assemble the screen by gRPC's batches; return it with the chain's length."""
    from app.bench.grpc_client import grpc_calls  # noqa: PLC0415  # importing grpc takes a tenth of a second

    return await grpc_calls(wire, screen, target)


@dataclass(frozen=True)
class Client:
    """A way to get a screen: how, and in words. `is_extra`: only where every way is asked for."""

    fetch: Callable[[Any, Screen, Target], Awaitable[tuple[Any, int]]]  # gives the screen and its sequential round trips
    meaning: str
    is_extra: bool = False
    speaks_grpc: bool = False  # and so has a wire of its own


CLIENTS: dict[str, Client] = {
    "naive REST": Client(naive, "one request for every reference it meets, again for one that it has seen, one after the other."),
    "careful REST": Client(
        careful, "each distinct thing once, no empty list, everything at once that has a known address (six connections)."
    ),
    "GraphQL": Client(graphql, "one request."),
    "tuned REST": Client(
        including, "only the fields that are shown, neighbours along with include=, everything at once.", is_extra=True
    ),
    "gRPC": Client(
        over_grpc,
        "a call for each list or batch of lists, authors included, siblings at once.",
        is_extra=True,
        speaks_grpc=True,
    ),
}


def chosen_clients(*, every: bool) -> dict[str, Client]:
    """Return the clients that are compared."""
    return {name: client for name, client in CLIENTS.items() if every or not client.is_extra}
