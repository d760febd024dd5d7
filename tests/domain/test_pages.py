"""Pages: Relay's four arguments, against a list that is sliced by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import CursorInvalid, InvalidInput, PageSize
from app.domain.paging import DEFAULT_PAGE_SIZE, Order, Page, page_of, page_size, slice_of

many = settings(max_examples=200, deadline=None, derandomize=True)

ORDER = Order("latest", 1, "")
keys = st.integers(0, 30).map(lambda number: (number,))
lists = st.sets(keys, max_size=25).map(lambda found: sorted(found, reverse=True))


def wished(first=None, after=None, last=None, before=None):
    """Return the page for keys in place of cursors."""
    encoded = [None if key is None else ORDER.encode(key) for key in (after, before)]
    return page_of(ORDER, first=first, after=encoded[0], last=last, before=encoded[1], largest=100)


def answered(rows, page):
    """Answer a page as a store does: read one row more than asked for, in the page's direction."""
    found = [key for key in rows if (page.after is None or key < page.after) and (page.before is None or key > page.before)]
    if page.backward:
        found.reverse()
    return slice_of(page, found[: page.size + 1], lambda key: key, list)


@many
@given(lists, st.integers(0, 30), st.booleans(), st.none() | keys, st.none() | keys)
def test_a_page_holds_what_slicing_the_list_gives(rows, size, backward, after, before):
    page = wished(after=after, before=before, **({"last": size} if backward else {"first": size}))

    found = answered(rows, page)

    between = [key for key in rows if (after is None or key < after) and (before is None or key > before)]
    kept = between[len(between) - min(size, len(between)) :] if backward else between[:size]
    assert list(found.rows) == kept
    assert list(found.keys) == kept
    if backward:
        assert found.has_previous == (len(between) > size)
        assert found.has_next == (before is not None)
    else:
        assert found.has_next == (len(between) > size)
        assert found.has_previous == (after is not None)


@many
@given(lists, st.lists(st.integers(1, 9), min_size=1))
def test_walking_forward_gives_every_row_once(rows, sizes):
    seen: list[Any] = []
    after, turn = None, 0
    while True:
        page = answered(rows, wished(first=sizes[turn % len(sizes)], after=after))
        seen += page.rows
        if not page.has_next:
            break
        after, turn = page.keys[-1], turn + 1
    assert seen == rows


@many
@given(lists, st.lists(st.integers(1, 9), min_size=1))
def test_walking_backward_gives_every_row_once_and_each_page_in_the_lists_order(rows, sizes):
    seen: list[Any] = []
    before, turn = None, 0
    while True:
        page = answered(rows, wished(last=sizes[turn % len(sizes)], before=before))
        assert list(page.rows) == sorted(page.rows, reverse=True)
        seen = [*page.rows, *seen]
        if not page.has_previous:
            break
        before, turn = page.keys[0], turn + 1
    assert seen == rows


def test_without_first_and_last_a_page_holds_twenty_rows_from_the_start():
    assert wished() == Page(DEFAULT_PAGE_SIZE) == Page(20)


@pytest.mark.parametrize("size", [0, 1, 100])
def test_sizes_from_0_to_100_are_allowed_in_both_directions(size):
    assert wished(first=size) == Page(size)
    assert wished(last=size) == Page(size, backward=True)


@pytest.mark.parametrize("size", [-(2**31), -1, 101, 2**31 - 1])
def test_other_sizes_are_refused_in_both_directions_and_by_the_range_in_force(size):
    for arguments in ({"first": size}, {"last": size}):
        with pytest.raises(PageSize, match="from 0 to 100"):
            wished(**arguments)
    with pytest.raises(PageSize, match="from 0 to 7"):
        page_size(8, largest=7)


def test_first_and_last_together_are_refused_even_where_one_is_0():
    with pytest.raises(InvalidInput, match="not both") as refusal:
        wished(first=0, last=5)
    assert refusal.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("name", ["after", "before"])
def test_an_empty_cursor_is_refused_and_is_not_taken_for_an_absent_one(name):
    wish: dict[str, Any] = {"first": 1, "after": None, "last": None, "before": None, name: ""}
    with pytest.raises(CursorInvalid):
        page_of(ORDER, largest=100, **wish)
