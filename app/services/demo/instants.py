"""The world's calendar, in whole milliseconds since 1970, and the ids that it gives."""

from datetime import UTC, datetime

from app.domain.times import millis

ID_EPOCH_MS = 1_577_836_800_000  # 2020-01-01, as in next_id() of the first migration
SECOND_MS = 1_000
DAY_MS = 86_400 * SECOND_MS


def ms_of(year: int, month: int, day: int) -> int:
    """Return the milliseconds of a day's midnight in UTC."""
    return millis(datetime(year, month, day, tzinfo=UTC))


FIRST_SIGN_UP_MS = ms_of(2020, 2, 1)
LAST_SIGN_UP_MS = ms_of(2026, 6, 1)  # leaves the newest people time to write
END_MS = ms_of(2026, 11, 1)  # everything happened before; what a live server adds is newer
LAST_POST_MS = END_MS - 3_600 * SECOND_MS  # leaves room for quick replies, and for moving posts of one instant apart
SESSION_EXPIRY_MS = ms_of(2100, 1, 1)


def id_at(ms: int, sequence: int) -> int:
    """Return the id that next_id() would have given then."""
    return (ms - ID_EPOCH_MS) << 22 | (sequence & 4095)
