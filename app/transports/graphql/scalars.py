"""The schema's own scalars."""

from datetime import datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from app.domain.times import wire_time

Cursor = NewType("Cursor", str)
EventCursor = NewType("EventCursor", str)


def parse_time(value: Any) -> datetime:
    """Return the time that a client wrote."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("A DateTime looks like 2026-11-22T07:00:00.000Z.") from None
    if moment.tzinfo is None:
        raise GraphQLError("A DateTime needs a time zone, such as Z at its end.")
    return moment


def opaque_text(value: Any) -> str:
    """Return a cursor as it came; the list or the log that gave it judges what is in it."""
    if not isinstance(value, str):
        raise GraphQLError("A cursor is a string: pass it back as it came.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A time: RFC 3339, UTC, milliseconds, such as 2026-11-22T07:00:00.000Z.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
        serialize=wire_time,
        parse_value=parse_time,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A place in a connection: opaque, and good only for the connection that gave it.",
        serialize=str,
        parse_value=opaque_text,
    ),
    EventCursor: strawberry.scalar(
        name="EventCursor",
        description="A place in the event log, the same on every way of listening; at most 40 characters.",
        serialize=str,
        parse_value=opaque_text,
    ),
}
