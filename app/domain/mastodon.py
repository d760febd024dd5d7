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
from app.domain.models import MOST_MEDIA

OUTBOX: Final = "outbox.json"
ACTIVITIES: Final = "orderedItems"
PUBLIC: Final = {"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"}
LONGEST_HTML = 40_000  # characters
TAG = re.compile(r"(<!--[^<>]*>|</?[a-zA-Z][^<>]*>)")
TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*|!--)")
BREAKS = {"br": "\n", "li": "\n- "} | dict.fromkeys(("p", "blockquote", "pre", "ul", "ol"), "\n\n")
LONGEST_SOURCE_ID = 500
MEDIA_FOLDER: Final = "media_attachments/"
LONGEST_MEDIA_NAME = 300
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


class SkippedMedia(StrEnum):
    """Why an attachment of a post was not imported."""

    UNSUPPORTED = "UNSUPPORTED"  # a film, a sound, a file without a name in the archive
    TOO_MANY = "TOO_MANY"  # more than a post may have, or an import may bring
    MISSING = "MISSING"  # its file is not in the archive
    MALFORMED = "MALFORMED"  # its file is no image, a broken one, or packed in a way that is not accepted
    TOO_LARGE = "TOO_LARGE"  # more bytes or pixels than an upload may have
    DUPLICATE = "DUPLICATE"  # there already, the file of another attachment, or of a post that was deleted here


@dataclass(frozen=True, slots=True)
class ArchivedMedia:
    """An image of a post of an archive."""

    name: str  # of its file in the archive, by `media_name`
    alt: str | None


@dataclass(frozen=True, slots=True)
class ArchivedPost:
    """A post of an archive."""

    source_id: str
    content: str
    title: str | None  # Mastodon's content warning
    written_at: datetime
    in_reply_to: str | None  # a source_id
    media: tuple[ArchivedMedia, ...] = ()
    skipped_media: tuple[SkippedMedia, ...] = ()


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
    media, skipped = attachments_of(note.get("attachment"))
    return ArchivedPost(source_id, content, title_of(summary), written_at, parent, media, skipped)


def attachments_of(attachments: Any) -> tuple[tuple[ArchivedMedia, ...], tuple[SkippedMedia, ...]]:
    """Return the images that a note's attachments mean, and why others mean none."""
    found = [attached(attachment) for attachment in attachments] if isinstance(attachments, list) else []
    images = tuple(one for one in found if isinstance(one, ArchivedMedia))
    skipped = [one for one in found if isinstance(one, SkippedMedia)] + [SkippedMedia.TOO_MANY for _ in images[MOST_MEDIA:]]
    return images[:MOST_MEDIA], tuple(skipped)


def attached(attachment: Any) -> ArchivedMedia | SkippedMedia:
    """Return the image that an attachment means."""
    known = attachment if isinstance(attachment, dict) else {}
    type_, url, alt = (known.get(key) for key in ("mediaType", "url", "name"))
    name = media_name(url) if isinstance(url, str) else None
    if not isinstance(type_, str) or not type_.startswith("image/") or name is None:
        return SkippedMedia.UNSUPPORTED
    return ArchivedMedia(name, alt_of(alt) if isinstance(alt, str) else None)


def media_name(path: str) -> str | None:
    """Return the name of an image's file, from its address in the outbox as from its place in the archive; None: it has none.

    Servers that keep files elsewhere have another beginning in their addresses than in their archives.
    """
    _, folder, rest = path.partition(MEDIA_FOLDER)
    name = folder + rest if folder else path.lstrip("/")
    try:
        return text.checked(name, field="name") if 0 < len(name) <= LONGEST_MEDIA_NAME else None
    except InvalidInput:
        return None


def alt_of(description: str) -> str | None:
    """Return what an image shows, as far as that may be kept."""
    try:
        kept = text.checked(description.strip()[: text.ALT_LENGTH].rstrip(), field="alt")
    except InvalidInput:
        return None
    return None if text.is_blank(kept) else kept


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
