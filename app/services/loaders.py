"""The only batching place: what a request asks for in one breath is fetched with one statement a relation."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from aiodataloader import DataLoader

from app.domain.paging import Page, Slice
from app.services.relations import Many, One, Root

if TYPE_CHECKING:  # the context holds the loaders
    from app.services.context import RequestContext

Parent = TypeVar("Parent")
Result = TypeVar("Result")
Row = TypeVar("Row")

MAX_BATCH_SIZE = 1_000  # keys in one statement


class Loaders:
    """The loaders of one request: one for each fetch and page, made when first used.

    Relations with the same fetch share a loader, so the author of a post and the user who was asked for are read once. What is
    loaded is shared by all who wait for it, hence shielded: where a field fails, graphql-core cancels its siblings alone.
    """

    def __init__(self, ctx: "RequestContext") -> None:
        self._ctx = ctx
        self._loaders: dict[tuple[Any, Page | None], DataLoader[Any, Any]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    async def one(self, relation: One[Parent, Result] | Root[Result], parent: Parent) -> Result | None:
        """Return what the parent's relation points at; None also where the parent has no key."""
        key = relation.key(parent)
        if key is None:
            return None
        result: Result = await asyncio.shield(self._loader(relation.fetch, None).load(key))
        return result

    async def ones(self, relation: One[Parent, Result] | Root[Result], parents: Sequence[Parent]) -> list[Result]:
        """Return what the relation points at for each parent, in their order."""
        loads = self._loader(relation.fetch, None).load_many([relation.key(p) for p in parents])
        results: list[Result] = await asyncio.shield(loads)
        return results

    async def many(self, relation: Many[Parent, Row], parent: Parent, page: Page) -> Slice[Row]:
        """Return a page of the parent's list."""
        result: Slice[Row] = await asyncio.shield(self._loader(relation.fetch, page).load(relation.key(parent)))
        return result

    @property
    def are_running(self) -> bool:
        """Say whether a batch is on its way."""
        return bool(self._running)

    def clear(self) -> None:
        """Forget everything that was read: call it after a write."""
        self._loaders.clear()

    def stop(self) -> None:
        """Cancel batches that still run: they are tasks of their own, which the end of the request does not end."""
        for task in self._running:
            task.cancel()

    async def stopped(self) -> None:
        """Cancel batches that still run, and wait until they have let go of the connection."""
        if running := list(self._running):
            self.stop()
            await asyncio.gather(*running, return_exceptions=True)

    def _loader(self, fetch: Any, page: Page | None) -> DataLoader[Any, Any]:
        loader = self._loaders.get((fetch, page))
        if loader is None:
            loader = DataLoader(self._batch(fetch, page), max_batch_size=MAX_BATCH_SIZE)
            self._loaders[fetch, page] = loader
        return loader

    def _batch(self, fetch: Any, page: Page | None) -> Any:
        async def batch(keys: list[Any]) -> list[Any]:
            self._ctx.counts.batches += 1
            if task := asyncio.current_task():
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            return list(await (fetch(self._ctx, keys, None) if page is None else fetch(self._ctx, keys, page, None)))

        return batch
