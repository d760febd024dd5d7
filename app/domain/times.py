"""Times: whole milliseconds in UTC, in the forms that cursors and wires use."""

from datetime import UTC, datetime, timedelta

from app.domain.errors import CursorInvalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wire_time(moment: datetime) -> str:
    """Return the one form of a time on every wire: RFC 3339 in UTC with milliseconds."""
    # Not strftime: its %Y gives years before 1000 fewer than four digits.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


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
