"""Times: whole milliseconds in UTC, in the forms that cursors and wires use."""

from datetime import UTC, datetime, timedelta

import orjson

from app.domain.errors import CursorInvalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wire_time(moment: datetime) -> str:
    """Return the one form of a time on every wire: RFC 3339 in UTC with milliseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # orjson writes a time several times faster than Python does, with microseconds where there are any.
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()
    return text[:23] + "Z" if moment.microsecond else text[:19] + ".000Z"


def millis(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the form of a time in a cursor."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """Return the time that `millis` gave. A forged number beyond year 9999 is not a cursor.

    Raises:
        CursorInvalid: there is no such time.
    """
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise CursorInvalid from None
