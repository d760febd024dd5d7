"""Events told at once: whoever hears them hears exactly what they would have heard of one after the other."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import EventCursor
from app.transports.realtime.batches import Batch, Script, Shown
from app.transports.realtime.news import LARGEST_BULLETIN, News, bulletins, id_tail

EPOCH, START = 7, 100  # of the position before the first event
VIEWERS = (None, 1, 2, 3)
EVENTS = st.lists(
    st.tuples(st.sets(st.sampled_from(VIEWERS)), st.booleans(), st.booleans(), st.integers(0, 9)), min_size=1, max_size=8
)
SIZES = st.lists(st.sampled_from([1, 200, LARGEST_BULLETIN // 2, LARGEST_BULLETIN, 2 * LARGEST_BULLETIN]), max_size=6)


def news(position: int, cost: int = 1, size: int = 1) -> News:
    return News({"data": "x" * size}, EventCursor(EPOCH, position), cost)


def shown(events: list[tuple[set[int | None], bool, bool, int]]) -> list[Shown]:
    """Return events that some hear, of which the others are told their end, and which may be the last."""
    return [
        Shown(
            EventCursor(EPOCH, position),
            heard,
            news(position, cost) if heard else None,
            news(position, 0) if ends else None,
            last,
        )
        for position, (heard, ends, last, cost) in enumerate(events, START + 1)
    ]


def one_by_one(events: list[Shown], viewer_id: int | None, position: int) -> tuple[list[News], bool]:
    """Return what a listener hears who is told of each event alone, and whether its stream is over then."""
    heard: list[News] = []
    for event in events:
        if event.cursor.position <= position:
            continue
        if viewer_id in event.heard_by and event.news:
            heard.append(event.news)
            if event.is_last:
                return heard, True
        elif viewer_id not in event.heard_by and event.for_others:
            return [*heard, event.for_others], True
    return heard, False


@settings(deadline=None, derandomize=True, max_examples=200)
@given(EVENTS)
def test_a_batch_tells_each_listener_what_single_events_would(events):
    told = shown(events)
    batch = Batch(told)
    for viewer_id in VIEWERS:
        for position in range(START - 2, START + len(told) + 2):
            script = batch.script(viewer_id, EventCursor(EPOCH, position))
            heard, is_last = one_by_one(told, viewer_id, position)
            assert (list(script.news), script.is_last) == (heard, is_last)
            assert script.cost == sum(item.cost for item in heard)
            assert [item for bulletin in script.bulletins for item in bulletin.news] == heard


def test_listeners_who_hear_the_same_share_one_script():
    batch = Batch(shown([({None, 1, 2}, False, False, 1), ({None, 1, 2}, False, False, 1)]))
    scripts: set[Script] = {
        batch.script(viewer_id, EventCursor(EPOCH, START - seen)) for viewer_id in (None, 1, 2) for seen in (0, 5)
    }
    assert len(scripts) == 1


def test_whoever_went_on_to_another_life_of_the_log_hears_nothing_of_the_former():
    assert not Batch(shown([({None}, False, False, 1)])).script(None, EventCursor(EPOCH + 1, 0)).news


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SIZES, st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=3))
def test_a_bulletin_is_its_frames_one_after_the_other_and_no_larger_than_allowed(sizes, ids):
    items = [news(START + number, size=size) for number, size in enumerate(sizes)]
    joined = list(bulletins(items))
    assert [item for bulletin in joined for item in bulletin.news] == items
    for bulletin in joined:
        assert len(bulletin.news) == 1 or sum(item.size for item in bulletin.news) <= LARGEST_BULLETIN
        assert bulletin.cursor == bulletin.news[-1].cursor
        assert bulletin.chunk == b"".join(item.chunk for item in bulletin.news)
        for id_ in (*ids, ids[0]):  # an id that comes again
            assert bulletin.frame(id_tail(id_)) == b"".join(item.frame(id_tail(id_)) for item in bulletin.news)


def test_a_frame_says_its_own_length():
    for size in (1, 200, 70_000):
        frame = news(1, size=size).frame(id_tail("1"))
        start = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
        length = frame[1] if start == 2 else struct.unpack("!H" if start == 4 else "!Q", frame[2:start])[0]
        assert length == len(frame) - start
