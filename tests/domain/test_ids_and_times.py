"""Ids and times: one spelling each on every wire."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import CursorInvalid, InvalidInput
from app.domain.ids import LARGEST_ID, parse_id
from app.domain.times import EPOCH, millis, moment, wire_time

many = settings(max_examples=200, deadline=None, derandomize=True)

# The first and the last day of the calendar are left to a test of their own: other time zones carry them out of it.
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001  # the strategy adds the zone


@many
@given(st.integers(1, LARGEST_ID))
def test_an_id_comes_back_from_its_decimal_string(number):
    assert parse_id(str(number)) == number


@many
@given(st.text(max_size=25) | st.from_regex(r"[-+_. 0-9a-fx]{0,25}", fullmatch=True))
def test_a_text_is_an_id_only_in_its_one_spelling(text):
    try:
        number = parse_id(text)
    except InvalidInput:
        return
    assert str(number) == text
    assert 1 <= number <= LARGEST_ID


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "01", "1.0", "1e3", "0x1", " 1", "1\n", "1_000", "١", "½", str(LARGEST_ID + 1), "9" * 5_000, "1\0"],
)
def test_another_form_of_an_id_is_refused_with_the_name_of_its_field(text):
    with pytest.raises(InvalidInput, match="authorId must be a decimal id") as refusal:
        parse_id(text, field="authorId")
    assert refusal.value.field == "authorId"


@many
@given(moments)
def test_a_time_on_the_wire_is_utc_in_whole_milliseconds_and_reads_back_as_that_time(time):
    text = wire_time(time)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert timedelta(0) <= time - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 11, 22, 7, 0, 0, 0, UTC), "2026-11-22T07:00:00.000Z"),
        (datetime(2026, 11, 22, 7, 0, 0, 999_999, UTC), "2026-11-22T07:00:00.999Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-12-31T23:30:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(999, 12, 31, 23, 59, 59, 1_000, UTC), "0999-12-31T23:59:59.001Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_year_has_four_digits_and_nothing_is_rounded_up(time, text):
    assert wire_time(time) == text


@many
@given(st.integers(0, millis(datetime.max.replace(tzinfo=UTC))))
def test_milliseconds_in_a_cursor_give_back_their_time(milliseconds):
    assert millis(moment(milliseconds)) == milliseconds
    assert moment(milliseconds) >= EPOCH


@pytest.mark.parametrize("milliseconds", [millis(datetime.max.replace(tzinfo=UTC)) + 1, LARGEST_ID, 10**30])
def test_milliseconds_beyond_the_calendar_are_no_cursor(milliseconds):
    with pytest.raises(CursorInvalid):
        moment(milliseconds)
