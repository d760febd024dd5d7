"""What an entry of Mastodon's outbox is to us."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.mastodon import LONGEST_HTML, ArchivedPost, Skipped, SkippedMedia, media_name, plain, post_of
from tests.archives import HOST, PUBLIC, note

NOW = datetime(2026, 11, 29, tzinfo=UTC)

HTML = {
    "<p>Hello</p>": "Hello",
    "<p>One</p><p>Two<br>lines<br/>more</p>": "One\n\nTwo\nlines\nmore",
    '<p>A <a href="https://a.example"><span class="invisible">https://</span>a.example</a> &amp; &lt;b&gt; &#128512;</p>': (
        "A https://a.example & <b> 😀"
    ),
    "<ul><li>a</li><li>b</li></ul>": "- a\n- b",
    "<script>alert(1)</script><style>p{}</style>seen": "seen",
    "plain text, 1 < 2": "plain text, 1 < 2",
    "<p>unclosed <b>tags": "unclosed tags",
    "nul \0 &#0;here": "nul  \ufffdhere",
    "a <!-- comment --> <b": "a  <b",
}


@pytest.mark.parametrize("html", HTML)
def test_markup_becomes_the_text_that_a_reader_sees(html):
    assert plain(html) == HTML[html]


def test_a_public_note_becomes_a_post():
    post = post_of(note(7, "<p>Hallo Welt</p>", summary="Vor\nsicht \u200b!", inReplyTo=f"{HOST}/statuses/6"), now=NOW)
    assert post == ArchivedPost(
        f"{HOST}/statuses/7", "Hallo Welt", "Vor sicht !", datetime(2019, 6, 1, 7, tzinfo=UTC), f"{HOST}/statuses/6"
    )


SKIPPED = [
    (Skipped.REPOST, {"type": "Announce", "object": "https://other.example/1"}),
    (Skipped.NOT_PUBLIC, note(1, to=[f"{HOST}/followers"], cc=[])),
    (Skipped.NOT_PUBLIC, note(1, to=[f"{HOST}/followers"], cc=[PUBLIC])),  # unlisted
    (Skipped.NOT_PUBLIC, note(1, to=None)),
    (Skipped.NOT_PUBLIC, note(1, to=[{"id": PUBLIC}, 5])),
    (Skipped.UNSUPPORTED, note(1, type="Question")),
    (Skipped.UNSUPPORTED, {"type": "Delete"}),
    (Skipped.UNSUPPORTED, {"type": ["Create"], "object": []}),
    (Skipped.NO_TEXT, note(1, "<p></p>")),
    (Skipped.NO_TEXT, note(1, "<p>\u200b&nbsp;</p>")),
    (Skipped.TOO_LONG, note(1, "x" * 5_001)),
    (Skipped.TOO_LONG, note(1, "<b>" * LONGEST_HTML)),
    (Skipped.MALFORMED, note(1, published="yesterday")),
    (Skipped.MALFORMED, note(1, published=None)),
    (Skipped.MALFORMED, note(1, published="0001-01-01T00:00:00+14:00")),
    (Skipped.MALFORMED, note(1, published="2099-01-01T00:00:00Z")),
    (Skipped.MALFORMED, note(1, id="")),
    (Skipped.MALFORMED, note(1, id="x" * 501)),
    (Skipped.MALFORMED, note(1, id="a\0b")),
    (Skipped.MALFORMED, note(1, inReplyTo={"id": "x"})),
    (Skipped.REPLY_TO_OTHERS, note(1, inReplyTo="x" * 501)),  # hundreds of entries are in memory at once: none is large
    (Skipped.MALFORMED, note(1) | {"object": note(1)["object"] | {"content": {"en": "x"}}}),
    (Skipped.MALFORMED, note(1, "\ud83d x")),
    (Skipped.MALFORMED, "text"),
    (Skipped.MALFORMED, None),
]


@pytest.mark.parametrize(("reason", "activity"), SKIPPED)
def test_what_is_no_public_post_is_skipped_for_a_reason(reason, activity):
    assert post_of(activity, now=NOW) is reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["Create", "Note", PUBLIC, "image/png"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "object", "to", "mediaType", "url", "name"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(
    JSON,
    st.dictionaries(
        st.sampled_from(["id", "content", "summary", "to", "inReplyTo", "published", "type", "attachment"]), JSON, max_size=3
    ),
)
def test_nothing_that_json_can_say_fails(value, changes):
    for activity in (
        value,
        note(1, **changes) if "content" not in changes else note(1) | {"object": note(1)["object"] | changes},
    ):
        assert isinstance(post_of(activity, now=NOW), ArchivedPost | Skipped)


FILES = {
    "/media_attachments/files/1/original/a.png": "media_attachments/files/1/original/a.png",
    "https://files.example/bucket/media_attachments/files/1/original/a.png": "media_attachments/files/1/original/a.png",
    "./media_attachments/a.png": "media_attachments/a.png",
    "/other/a.png": "other/a.png",
    "/": None,
    "a\0.png": None,
    "\udcff.png": None,
    "x" * 301: None,
}


@pytest.mark.parametrize("path", FILES)
def test_an_image_has_the_same_name_in_its_post_as_in_the_archive(path):
    assert media_name(path) == FILES[path]


def test_attachments_are_images_or_skipped_for_a_reason():
    def attachment(**changes):
        return {"type": "Document", "mediaType": "image/png", "url": "/a.png", "name": None} | changes

    post = post_of(
        note(
            1,
            attachment=[
                attachment(name=" Ein Tor \n"),
                attachment(name="a\0"),
                attachment(name="x" * 1_001),
                attachment(mediaType="audio/mpeg"),
                attachment(name=7),
                attachment(url=None),
                attachment(),
            ],
        ),
        now=NOW,
    )
    assert isinstance(post, ArchivedPost)
    assert [media.alt for media in post.media] == ["Ein Tor", None, "x" * 1_000, None]
    assert sorted(post.skipped_media) == [SkippedMedia.TOO_MANY, SkippedMedia.UNSUPPORTED, SkippedMedia.UNSUPPORTED]


@pytest.mark.parametrize("piece", ["<", "</", "<!--", "<a ", "<a a=", "&", "&#", "<![CDATA[", "<p>", "<script>", "&amp"])
def test_markup_made_to_be_slow_is_read_in_time_that_grows_with_its_length(piece):
    plain(piece * (200_000 // len(piece)))  # with a square in it this would take an hour
