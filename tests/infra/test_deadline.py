"""A deadline ends what takes longer, and nothing else."""

import asyncio

import pytest

from app.infra.deadline import Deadline, watch_of


async def test_what_takes_longer_is_cancelled_and_says_so():
    with pytest.raises(TimeoutError), Deadline(0.03):
        await asyncio.sleep(60)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_what_is_done_in_time_is_left_alone():
    with Deadline(0.03):
        await asyncio.sleep(0)
    await asyncio.sleep(0.08)  # the time is over now, and nobody is cancelled
    assert not watch_of(asyncio.get_running_loop()).running


async def test_an_error_inside_stays_what_it_is():
    with pytest.raises(LookupError), Deadline(60):
        raise LookupError


async def test_a_cancellation_from_outside_stays_one():
    async def work() -> None:
        with Deadline(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_two_deadlines_the_nearer_one_counts():
    with pytest.raises(TimeoutError), Deadline(60), Deadline(0.03):
        await asyncio.sleep(60)
    with Deadline(60):
        with pytest.raises(TimeoutError), Deadline(0.03):
            await asyncio.sleep(60)
        await asyncio.sleep(0)
