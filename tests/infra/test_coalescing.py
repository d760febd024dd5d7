"""Look-ups that many callers want at once are one statement, and each caller gets its own."""

import asyncio
from typing import Any

import pytest

from app.infra import coalescing
from app.infra.coalescing import Coalescing


class Source:
    """A fetch that waits until it is let go, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def fetch(self, keys):
        self.asked.append(list(keys))
        await self.go.wait()
        if self.error:
            raise self.error
        return [None if key < 0 else key * 10 for key in keys]


@pytest.fixture
def source() -> Source:
    """A source that holds its answers back."""
    return Source()


async def begun(source: Source, statements: int) -> None:
    """Wait until so many statements are on their way."""
    while len(source.asked) < statements:  # noqa: ASYNC110  # there is no event for it
        await asyncio.sleep(0)


def callers(shared: Coalescing[int], *wishes: list[int]) -> list[asyncio.Task[Any]]:
    """Return tasks that ask."""
    return [asyncio.create_task(shared.get(wish)) for wish in wishes]


async def test_who_comes_while_statements_are_on_their_way_shares_the_next_one(source):
    shared = Coalescing(source.fetch)
    first = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    later = callers(shared, [3, 1], [3], [-4, 3])
    await asyncio.sleep(0)
    source.go.set()
    assert await asyncio.gather(*first, *later) == [[10], [20], [30, 10], [30], [None, 30]]
    assert source.asked == [[1], [2], [3, 1, -4]]


async def test_what_fills_a_statement_waits_no_longer(source):
    shared = Coalescing(source.fetch, largest=3)
    tasks = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    tasks += callers(shared, [3], [4], [5], [6])
    await begun(source, coalescing.AT_ONCE + 1)
    await asyncio.sleep(0)
    assert source.asked == [[1], [2], [3, 4, 5]]
    source.go.set()
    assert await asyncio.gather(*tasks) == [[10], [20], [30], [40], [50], [60]]
    assert source.asked[3:] == [[6]]


async def test_who_asks_for_more_than_a_statement_should_have_gets_it_in_one(source):
    source.go.set()
    shared = Coalescing(source.fetch, largest=2)
    assert await shared.get([1, 2, 3]) == [10, 20, 30]
    assert source.asked == [[1, 2, 3]]


async def test_an_error_reaches_each_of_its_callers_and_not_the_next_ones(source):
    shared = Coalescing(source.fetch)
    first = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    source.error = LookupError("gone")
    source.go.set()
    assert [type(one) for one in await asyncio.gather(*first, return_exceptions=True)] == [LookupError, LookupError]
    source.error = None
    assert await shared.get([5]) == [50]


async def test_a_caller_who_leaves_takes_nothing_from_the_others(source):
    shared = Coalescing(source.fetch)
    await_first = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    leaving, staying = callers(shared, [3], [4])
    await asyncio.sleep(0)
    leaving.cancel()
    source.go.set()
    assert await staying == [40]
    assert await asyncio.gather(*await_first) == [[10], [20]]
    assert source.asked[-1] == [4]


async def test_a_statement_that_nobody_waits_for_is_cancelled_and_the_next_begins(source):
    shared = Coalescing(source.fetch)
    leaving = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    [staying] = callers(shared, [3])
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await begun(source, coalescing.AT_ONCE + 1)
    source.go.set()
    assert await staying == [30]


async def test_a_batch_has_a_largest_size(source):
    shared = Coalescing(source.fetch, largest=3)
    first = callers(shared, [1], [2])
    await begun(source, coalescing.AT_ONCE)
    later = callers(shared, [3, 4], [5], [6, 7, 8, 9], [10])
    await asyncio.sleep(0)
    source.go.set()
    assert await asyncio.gather(*later) == [[30, 40], [50], [60, 70, 80, 90], [100]]
    await asyncio.gather(*first)
    assert source.asked[2:] == [[3, 4, 5], [6, 7, 8, 9], [10]]
