"""Mastodon's export: what an entry of its outbox.json is to us, or why it is nothing.

The file is an ActivityStreams collection: `orderedItems` holds activities, oldest first. A `Create` of a `Note` is a post.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from html import unescape
from typing import Any, Final

from app.domain import text
from app.domain.errors import InvalidInput

OUTBOX: Final = "outbox.json"
ACTIVITIES: Final = "orderedItems"
PUBLIC: Final = {"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"}
LONGEST_HTML = 40_000  # characters
TAG = re.compile(r"(<!--[^<>]*>|</?[a-zA-Z][^<>]*>)")
TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*|!--)")
BREAKS = {"br": "\n", "li": "\n- "} | dict.fromkeys(("p", "blockquote", "pre", "ul", "ol"), "\n\n")
LONGEST_SOURCE_ID = 500
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)
SILENT = {"script", "style", "template", "head", "title"}


class Skipped(StrEnum):
    """Why an entry was not imported."""

    REPOST = "REPOST"  # somebody else's post that was shared
    NOT_PUBLIC = "NOT_PUBLIC"  # for followers, for single people, or unlisted: here it would be public
    REPLY_TO_OTHERS = "REPLY_TO_OTHERS"  # the post that it answers is not in the archive, or comes later
    UNSUPPORTED = "UNSUPPORTED"  # a poll, an article, an entry of another kind
    NO_TEXT = "NO_TEXT"  # nothing that can be seen once the markup is gone
    TOO_LONG = "TOO_LONG"
    MALFORMED = "MALFORMED"
    DUPLICATE = "DUPLICATE"  # imported before, by this job or by another one


@dataclass(frozen=True, slots=True)
class ArchivedPost:
    """A post of an archive."""

    source_id: str
    content: str
    title: str | None  # Mastodon's content warning
    written_at: datetime
    in_reply_to: str | None  # a source_id


def post_of(activity: Any, *, now: datetime) -> ArchivedPost | Skipped:
    """Return the post that an entry of the outbox means, or why it is none."""
    if not isinstance(activity, dict):
        return Skipped.MALFORMED
    if activity.get("type") == "Announce":
        return Skipped.REPOST
    note = activity.get("object")
    if activity.get("type") != "Create" or not isinstance(note, dict) or note.get("type") != "Note":
        return Skipped.UNSUPPORTED
    if PUBLIC.isdisjoint(addressees(note)):
        return Skipped.NOT_PUBLIC
    return read(note, now)


def id_of(activity: Any) -> str:
    """Return an entry's own name, as far as it has one, to name it in a report."""
    id_ = activity.get("id") if isinstance(activity, dict) else None
    return id_[:LONGEST_SOURCE_ID].encode("utf-8", "replace").decode().replace("\0", "") if isinstance(id_, str) else ""


def addressees(note: Mapping[str, Any]) -> set[str]:
    """Return whom a note is sent to in the first place."""
    to = note.get("to")
    return {name for name in (to if isinstance(to, list) else [to]) if isinstance(name, str)}


def read(note: Mapping[str, Any], now: datetime) -> ArchivedPost | Skipped:
    """Return the post that a public note means, or what is wrong with it."""
    source_id, html, summary, parent = (note.get(key) for key in ("id", "content", "summary", "inReplyTo"))
    written_at = time_of(note.get("published"), now)
    if not isinstance(source_id, str) or not 0 < len(source_id) <= LONGEST_SOURCE_ID or written_at is None:
        return Skipped.MALFORMED
    if not isinstance(html, str) or not isinstance(parent, str | None) or not isinstance(summary, str | None):
        return Skipped.MALFORMED
    content = plain(html) if len(html) <= LONGEST_HTML else html
    if reason := unacceptable(content, parent or "", source_id, summary or ""):
        return reason
    return ArchivedPost(source_id, content, title_of(summary), written_at, parent)


def unacceptable(content: str, parent: str, *others: str) -> Skipped | None:
    """Return what is wrong with a post's texts, None where nothing is."""
    if text.is_blank(content):
        return Skipped.NO_TEXT
    if len(content) > text.CONTENT_LENGTH:
        return Skipped.TOO_LONG
    if len(parent) > LONGEST_SOURCE_ID:  # no post that is taken has such a name
        return Skipped.REPLY_TO_OTHERS
    try:
        for value in (content, parent, *others):
            text.checked(value, field="content")
    except InvalidInput:
        return Skipped.MALFORMED
    return None


def title_of(summary: str | None) -> str | None:
    """Return a content warning as a title: one line, as long as a title may be; None where there is nothing to see."""
    words = " ".join("".join(character for character in summary or "" if character.isprintable() or character.isspace()).split())
    return None if text.is_blank(words) else words[: text.TITLE_LENGTH].rstrip()


def time_of(value: Any, now: datetime) -> datetime | None:
    """Return a time of the archive in whole milliseconds, None where it is none, or one that cannot be."""
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return min(moment, now) if OLDEST <= moment <= now + CLOCK_SKEW else None


def plain(html: str) -> str:
    """Return the text of a post's HTML: paragraphs apart by a blank line, line breaks kept.

    Not by `html.parser`, whose time grows with the square of some inputs. A post's markup is sanitised and simple; each character
    is looked at a fixed number of times here.
    """
    parts: list[str] = []
    silent = 0
    for piece in TAG.split(html):
        if tag := TAG_NAME.match(piece):
            name, is_end = tag[2].lower(), bool(tag[1])
            if name in SILENT:
                silent = max(silent - 1, 0) if is_end else silent + 1
            elif not is_end and parts:
                parts.append(BREAKS.get(name, ""))
            elif not is_end and name == "li":
                parts.append("- ")
        elif not silent:
            parts.append(unescape(piece))
    return "".join(parts).replace("\0", "").strip()
