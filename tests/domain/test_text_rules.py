"""Texts that people type: what is refused, what is kept, and in which form."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import text
from app.domain.errors import InvalidInput

many = settings(max_examples=300, deadline=None, derandomize=True)

# Everything that Python can hold in a string, lone surrogates and unassigned characters too.
anything = st.text(st.characters(), max_size=60) | st.text(
    st.sampled_from("\0\ud800\udfff \t\n\u200b\u202e\u2028\u3164aä😀"), max_size=12
)
INVISIBLE = [
    *("", " ", "\t\n\r", "\u00a0", "\u00ad", "\u034f", "\u115f\u1160", "\u180e", "\u200b", "\u200c\u200d", "\u200e\u200f"),
    *("\u2028\u2029", "\u202a\u202e\u202c", "\u2060", "\u2066\u2069", "\u2800", "\u3000", "\u3164", "\ufe0f", "\ufeff"),
    *("\uffa0", "\U000e0001\U000e0061", "\U000e0100"),
]


def kept(rule, typed):
    """Return what a rule keeps of a text, None where it refuses in a message that can be sent."""
    try:
        return rule(typed)
    except InvalidInput as refusal:
        return None if len(refusal.message.encode()) < 200 else refusal.message


def paragraph(typed):
    return text.paragraph(typed, field="content", longest=40)


def line(typed):
    return text.line(typed, field="title", longest=40)


@many
@given(anything)
def test_a_kept_paragraph_can_be_stored_sent_and_seen(typed):
    found = kept(paragraph, typed)
    if found is None:
        return
    assert "\0" not in found
    assert found.encode().decode() == found == typed.strip()
    assert 1 <= len(found) <= 40
    assert not text.is_blank(found)
    assert paragraph(found) == found


@many
@given(anything)
def test_a_kept_line_is_a_kept_paragraph_without_breaks(typed):
    found = kept(line, typed)
    if found is None:
        return
    assert found == paragraph(typed)
    assert found.splitlines() == [found]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", found)


@many
@given(anything)
def test_a_kept_username_has_the_one_form_that_the_table_takes(typed):
    found = kept(text.username, typed)
    assert found is None or re.fullmatch(r"[a-z0-9_]{3,30}", found)
    assert found is None or text.username(found) == found


@many
@given(st.text(st.characters(), max_size=210))
def test_a_kept_password_is_kept_exactly_as_typed(typed):
    found = kept(text.password, typed)
    assert found is None or (found == typed and 8 <= len(typed) <= 200 and typed.encode())


@pytest.mark.parametrize("typed", INVISIBLE)
def test_a_text_in_which_nothing_can_be_seen_is_refused(typed):
    for rule in (paragraph, line):
        with pytest.raises(InvalidInput, match="at least one visible character"):
            rule(typed)


@pytest.mark.parametrize(
    "typed", ["a", "0", "ä", "😀", "👩‍👩‍👧", "❤️", "\u200fשלום\u200f", "مرحبا", "ไทย", "\U0001fae8", "\ue000", "-", "ㅎ"]
)
def test_a_text_in_which_something_can_be_seen_is_kept_as_it_is(typed):
    assert paragraph(typed) == line(typed) == typed


@pytest.mark.parametrize("typed", ["a\0", "\0", "\ud800", "a\udc00b"])
def test_what_cannot_be_stored_or_sent_is_refused_in_every_kind_of_text(typed):
    for rule in (paragraph, line, text.username, text.password, text.idempotency_key):
        with pytest.raises(InvalidInput):
            rule(typed + "aaaaaaaa")


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_has_no_break_and_a_paragraph_may(break_):
    typed = f"one{break_}two"
    assert paragraph(typed) == typed
    with pytest.raises(InvalidInput, match="one line"):
        line(typed)


@pytest.mark.parametrize("character", ["a", "ä", "漢", "😀", "\u0301"])
def test_lengths_count_characters_and_not_bytes(character):
    for size in (39, 40):
        assert paragraph("x" + character * (size - 1)) == "x" + character * (size - 1)
    with pytest.raises(InvalidInput, match="41 characters; at most 40"):
        paragraph("x" + character * 40)
    for size in (8, 200):
        assert text.password(character * size) == character * size
    for size in (7, 201):
        with pytest.raises(InvalidInput, match="8 to 200"):
            text.password(character * size)


def test_space_around_a_text_is_dropped_and_does_not_count():
    assert paragraph(" " * 99 + "x" * 40 + "\n" * 99) == "x" * 40


@pytest.mark.parametrize(("typed", "form"), [("Ada", "ada"), (" ADA_1 ", "ada_1"), ("aaa", "aaa"), ("9" * 30, "9" * 30)])
def test_a_username_is_folded_to_lower_case(typed, form):
    assert text.username(typed) == form


@pytest.mark.parametrize("typed", ["", "ab", "a" * 31, "a-b", "a b", "ä_ö_ü", "İada", "ſad\u0131", "a.b", "ada\u200b", "٣٣٣"])
def test_other_usernames_are_refused(typed):
    with pytest.raises(InvalidInput, match="3 to 30"):
        text.username(typed)


@pytest.mark.parametrize("typed", ["", " ", "x" * 201, "a\nb"])
def test_an_idempotency_key_is_one_line_of_at_most_200_characters(typed):
    assert text.idempotency_key("x" * 200) == "x" * 200
    with pytest.raises(InvalidInput):
        text.idempotency_key(typed)
