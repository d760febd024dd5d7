"""Rules for text that people type: what is refused, and the form in which it is kept."""

import re
import unicodedata

from app.domain.errors import InvalidInput

CONTENT_LENGTH = 5_000
TITLE_LENGTH = 200
ALT_LENGTH = 1_000
NAME_LENGTH = 80
PASSWORD_LENGTHS = (8, 200)
IDEMPOTENCY_KEY_LENGTH = 200
USERNAME = re.compile(r"[a-z0-9_]{3,30}", re.ASCII)

# What shows nothing though it counts as a letter, a mark, a symbol or as unassigned: Unicode's ignorable code points (fillers,
# joiners, variation selectors, tags) and the blank of Braille.
SHOWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def checked(text: str, *, field: str) -> str:
    """Return text that can be stored and sent: no NUL (PostgreSQL cannot keep it) and no lone surrogate (UTF-8 cannot).

    Raises:
        InvalidInput: the text has such a character.
    """
    if "\0" in text:
        raise InvalidInput(f"{field} contains the character NUL, which cannot be stored.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{field} contains half of a surrogate pair, which is not a character.", field=field) from None
    return text


def is_blank(text: str) -> bool:
    """Say whether nothing in the text can be seen: only spaces, controls and invisible marks.

    Characters that Python does not know count as seen: they are mostly emoji newer than its tables.
    """
    return all(
        unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"} or SHOWS_NOTHING.match(character)
        for character in text
    )


def line(text: str, *, field: str, longest: int) -> str:
    """Return one line of text that can be seen, without the space around it.

    Raises:
        InvalidInput: it is blank, too long, or holds line breaks or other control characters.
    """
    text = paragraph(text, field=field, longest=longest)
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise InvalidInput(f"{field} must be one line without control characters.", field=field)
    return text


def paragraph(text: str, *, field: str, longest: int) -> str:
    """Return text that can be seen, without the space around it; `longest` counts characters (code points).

    Raises:
        InvalidInput: it is blank or too long.
    """
    text = checked(text, field=field).strip()
    if not text or is_blank(text):
        raise InvalidInput(f"{field} is empty: write at least one visible character.", field=field)
    if len(text) > longest:
        raise InvalidInput(f"{field} has {len(text):,} characters; at most {longest:,} are allowed.", field=field)
    return text


def username(text: str) -> str:
    """Return the one form of a username: lower case.

    Raises:
        InvalidInput: it is not 3 to 30 of a-z, 0-9 and _.
    """
    folded = text.strip().lower()
    if not USERNAME.fullmatch(folded):
        raise InvalidInput("username must be 3 to 30 of the characters a-z, 0-9 and _.", field="username")
    return folded


def password(text: str) -> str:
    """Return a password that is long enough, exactly as typed.

    Raises:
        InvalidInput: it has fewer than 8 or more than 200 characters.
    """
    shortest, longest = PASSWORD_LENGTHS
    if not shortest <= len(checked(text, field="password")) <= longest:
        raise InvalidInput(f"password must have {shortest} to {longest} characters.", field="password")
    return text


def idempotency_key(text: str) -> str:
    """Return a key that names one request of one person.

    Raises:
        InvalidInput: it is blank or too long.
    """
    return line(text, field="idempotencyKey", longest=IDEMPOTENCY_KEY_LENGTH)
