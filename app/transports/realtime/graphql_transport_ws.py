"""The graphql-transport-ws protocol without a socket: messages in, actions out.

Rules (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md):
1. The client's first message is connection_init; a second one closes with 4429, a subscribe before the acknowledgement with 4401.
2. Every message is an object with a known type and fields of the right types; anything else closes with 4400.
3. An operation's id is unique while the operation runs; a second subscribe with it closes with 4409.
4. `error` and `complete` end an id: nothing is sent for it afterwards.
What a document says never closes the socket: its errors are an `error` for its id alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import orjson

from app.transports.errors import CloseCode
from app.transports.graphql.pipeline import encoded

SUBPROTOCOL: Final = "graphql-transport-ws"
LONGEST_ID = 256  # characters


@dataclass(frozen=True, slots=True)
class Initialise:
    """The client introduces itself; answer with `acknowledge` or close."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Run an operation."""

    id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """End an operation; say nothing more about it."""

    id: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: int
    reason: str


Action: TypeAlias = Initialise | Start | Stop | Send | Close


class State(Enum):
    """How far the connection has come."""

    NEW = auto()
    INITIALISING = auto()
    ACKNOWLEDGED = auto()


class Malformed(Exception):
    """The message breaks the protocol; the text says how."""


class Protocol:
    """One connection's side of the server."""

    __slots__ = ("running", "state")

    def __init__(self) -> None:
        self.state = State.NEW
        self.running: set[str] = set()

    def receive(self, text: str) -> Action | None:
        """Return what a message from the client asks for; None where it asks for nothing."""
        try:
            message = decoded(text)
            receiver = RECEIVERS.get(message["type"])
            if receiver is None:
                raise Malformed("Unknown message type")
            return receiver(self, message)
        except Malformed as malformed:
            return Close(CloseCode.MALFORMED, str(malformed))

    def acknowledge(self, payload: dict[str, Any]) -> bytes:
        """Accept the connection; return the message that says so."""
        self.state = State.ACKNOWLEDGED
        return orjson.dumps({"type": "connection_ack", "payload": payload})

    def next(self, id_: str, payload: dict[str, Any]) -> bytes:
        """Return the message with one result. The id comes last: what stands before it is the same for every listener."""
        return encoded({"type": "next", "payload": payload, "id": id_})

    def error(self, id_: str, errors: list[dict[str, Any]]) -> bytes:
        """End an operation that was refused; return the message that says why."""
        self.running.discard(id_)
        return orjson.dumps({"type": "error", "payload": errors, "id": id_})

    def complete(self, id_: str) -> bytes:
        """End an operation; return the message that says so."""
        self.running.discard(id_)
        return orjson.dumps({"type": "complete", "id": id_})

    def _connection_init(self, message: dict[str, Any]) -> Action:
        if self.state is not State.NEW:
            return Close(CloseCode.SECOND_INIT, "Too many initialisation requests")
        payload = optional_object(message, "payload")
        self.state = State.INITIALISING
        return Initialise(payload or {})

    def _subscribe(self, message: dict[str, Any]) -> Action:
        if self.state is not State.ACKNOWLEDGED:
            return Close(CloseCode.NOT_ACKNOWLEDGED, "Unauthorized")
        id_ = operation_id(message)
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise Malformed("payload must be an object")
        check_request(payload)
        if id_ in self.running:
            return Close(CloseCode.ID_IN_USE, f"Subscriber for {id_[:60]} already exists")
        self.running.add(id_)
        return Start(id_, payload)

    def _complete(self, message: dict[str, Any]) -> Action | None:
        id_ = operation_id(message)
        if id_ not in self.running:
            return None  # it ended by itself while this message was on its way
        self.running.discard(id_)
        return Stop(id_)

    def _ping(self, message: dict[str, Any]) -> Action:
        optional_object(message, "payload")
        return Send(orjson.dumps({"type": "pong"}))

    def _pong(self, message: dict[str, Any]) -> None:
        optional_object(message, "payload")


RECEIVERS: Final[dict[str, Callable[[Protocol, dict[str, Any]], Action | None]]] = {
    "connection_init": Protocol._connection_init,
    "subscribe": Protocol._subscribe,
    "complete": Protocol._complete,
    "ping": Protocol._ping,
    "pong": Protocol._pong,
}


def decoded(text: str) -> dict[str, Any]:
    """Return a message: an object whose type is a string.

    Raises:
        Malformed: it is something else.
    """
    try:
        message = orjson.loads(text)
    except ValueError:
        raise Malformed("The message is not JSON") from None
    if not isinstance(message, dict):
        raise Malformed("The message is not an object")
    if not isinstance(message.get("type"), str):
        raise Malformed("The message has no type")
    return message


def operation_id(message: dict[str, Any]) -> str:
    """Return the id of the operation that a message is about.

    Raises:
        Malformed: it is no string, empty or very long.
    """
    id_ = message.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= LONGEST_ID:
        raise Malformed(f"id must be a string of 1 to {LONGEST_ID} characters")
    return id_


def optional_object(message: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Return a field that is an object, null or absent.

    Raises:
        Malformed: it is something else.
    """
    value = message.get(key)
    if value is not None and not isinstance(value, dict):
        raise Malformed(f"{key} must be an object")
    return value


def check_request(payload: dict[str, Any]) -> None:
    """Check the types in a subscribe message's payload.

    Raises:
        Malformed: one is wrong.
    """
    is_persisted = payload.get("extensions") is not None or payload.get("documentId") is not None
    if not isinstance(payload.get("query"), str) and not (is_persisted and payload.get("query") is None):
        raise Malformed("query must be a string")
    for key in ("operationName", "documentId"):
        if not isinstance(payload.get(key), str | None):
            raise Malformed(f"{key} must be a string")
    optional_object(payload, "variables")
    optional_object(payload, "extensions")
