"""How fast a client may speak and how slowly it may read, on a clock of the tests' own."""

import pytest

from app.transports.realtime.pace import Pace, Stall
from tests.conftest import make_settings

FULL = 256 * 1024
MUCH = 1024 * 1024


async def test_a_burst_passes_and_what_is_beyond_waits_its_turn(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))

    monkeypatch.setattr("app.transports.realtime.pace.asyncio.sleep", sleep)
    clock = Pace(per_s=10, burst=3, now=100.0)
    for _ in range(3):
        await clock.keep(100.0)
    assert waits == []
    await clock.keep(100.0)
    await clock.keep(100.1)  # after that wait
    assert waits == [0.1, 0.1]
    for _ in range(3):  # a long silence gives the burst back, and not more
        await clock.keep(500.0)
    assert waits == [0.1, 0.1]
    await clock.keep(500.0)
    assert waits == [0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("seen", "ends_at"),
    [
        ([(0, 0), (1, FULL), (60, FULL)], None),  # it may leave so much unread
        ([(0, FULL + 9), (9, FULL + 9), (10, FULL + 9)], 10),  # nothing taken for ten seconds
        ([(0, FULL + 9), (9, FULL + 8), (18, FULL + 7), (27, FULL + 6)], None),  # slow, but it takes something
        ([(0, FULL + 9), (9, FULL), (10, FULL + 9), (19, FULL + 9)], None),  # it caught up in between
        ([(0, MUCH + 9), (5, MUCH + 8), (10, MUCH + 7)], 10),  # too much for ten seconds, whatever it takes
        ([(0, MUCH + 9), (5, MUCH), (10, MUCH - 7), (14, MUCH - 8)], None),
    ],
)
def test_a_reader_is_slow_when_it_takes_nothing_or_leaves_too_much(seen: list[tuple[float, int]], ends_at: float | None):
    stall = Stall(make_settings())
    ended = next((now for now, waiting in seen if stall.lasts_too_long(waiting, now)), None)
    assert ended == ends_at
