"""Cursors: what a list gives comes back as the same place, and nothing else is taken for one."""

import base64

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.errors import CursorInvalid
from app.domain.events import EventCursor
from app.domain.ids import LARGEST_ID
from app.domain.paging import Order

many = settings(max_examples=150, deadline=None, derandomize=True)

numbers = st.integers(0, LARGEST_ID)
sorts = st.sampled_from(["latest", "home", "user.posts", "user.followers", "user.following", "post.replies", "post.likers"])
filters = st.one_of(st.just(""), st.integers(1, LARGEST_ID).map(str))


@st.composite
def places(draw):
    """Draw a list and a key in it."""
    parts = draw(st.integers(1, 2))
    return Order(draw(sorts), parts, draw(filters)), tuple(draw(st.lists(numbers, min_size=parts, max_size=parts)))


def decoded(order, text):
    """Return the key that a text names, None where it is refused."""
    try:
        return order.decode(text)
    except CursorInvalid:
        return None


@many
@given(places())
def test_a_cursor_gives_back_its_key(place):
    order, key = place

    cursor = order.encode(key)

    assert order.decode(cursor) == key
    assert len(cursor) <= 120


@many
@given(places(), places())
def test_the_cursor_of_another_list_is_refused(one, other):
    assume(one[0] != other[0])
    with pytest.raises(CursorInvalid):
        one[0].decode(other[0].encode(other[1]))


@many
@given(places(), st.data())
def test_a_changed_cursor_is_refused_or_names_the_place_that_it_then_spells(place, data):
    order, key = place
    text = order.encode(key)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    changed = text[:start] + data.draw(st.text(max_size=4)) + text[end:]

    found = decoded(order, changed)

    assert found is None or order.encode(found) == changed


@many
@given(places(), st.data())
def test_a_truncated_cursor_never_names_the_same_place(place, data):
    order, key = place
    text = order.encode(key)

    found = decoded(order, text[: data.draw(st.integers(0, len(text) - 1))])

    assert found != key


@many
@given(places(), st.one_of(st.text(max_size=200), st.binary(max_size=90).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_any_other_text_is_refused(place, text):
    order, key = place
    assume(text != order.encode(key))
    found = decoded(order, text)
    assert found is None or order.encode(found) == text


@pytest.mark.parametrize(
    "_case",
    [
        "1|latest||01",  # a second spelling of the same number
        "1|latest||+1",
        "1|latest||-1",
        "1|latest||",
        "1|latest||1,2",
        "1|latest||1|",
        "1|latest|1",
        "2|latest||1",  # another version
        "1|latest|x|1",
        f"1|latest||{LARGEST_ID + 1}",
        "1|latest||٣",  # a digit, but not one of ours
        "",
    ],
)
def test_a_forged_cursor_is_refused(_case):
    with pytest.raises(CursorInvalid):
        Order("latest", 1, "").decode(base64.urlsafe_b64encode(_case.encode()).rstrip(b"=").decode())


def test_padding_and_the_other_alphabet_of_base64_are_refused():
    order = Order("user.followers", 2, "123")
    text = next(text for n in range(999) if "_" in (text := order.encode((n, 4_095))) or len(text) % 4)
    for changed in (text + "=" * (-len(text) % 4 or 4), text + "\n", " " + text, text.swapcase()):
        with pytest.raises(CursorInvalid):
            order.decode(changed)


@many
@given(numbers, numbers)
def test_an_event_cursor_gives_back_its_place_in_at_most_40_characters(epoch, position):
    cursor = EventCursor(epoch, position)
    assert EventCursor.parse(str(cursor)) == cursor
    assert len(str(cursor)) <= 40


@many
@given(st.one_of(st.text(max_size=45), st.from_regex(r"[-+0-9 _]{0,45}", fullmatch=True)))
def test_a_text_is_an_event_cursor_only_in_its_one_spelling(text):
    try:
        cursor = EventCursor.parse(text)
    except CursorInvalid:
        return
    assert str(cursor) == text


@pytest.mark.parametrize(
    "_case", ["", "-", "1", "1-", "-1", "01-1", "1-01", "1-1-1", "1--1", " 1-1", "1-1\n", "+1-1", "1-" + "9" * 20, "١-١"]
)
def test_an_event_cursor_of_another_form_is_refused(_case):
    with pytest.raises(CursorInvalid, match="event cursor"):
        EventCursor.parse(_case)
