"""One event's answer as bytes that all its listeners share; a socket only adds its operation's id, at the end."""

import struct
from typing import Any, Final

import orjson

from app.domain.events import EventCursor
from app.transports.graphql.pipeline import encoded

TEXT_FRAME: Final = 0x81  # FIN, opcode 1 (RFC 6455, 5.2)
NEXT: Final = b'{"type":"next","payload":'


def frame_header(length: int) -> bytes:
    """Return the header of an unmasked text frame of so many bytes."""
    if length < 126:
        return struct.pack("!BB", TEXT_FRAME, length)
    if length < 1 << 16:
        return struct.pack("!BBH", TEXT_FRAME, 126, length)
    return struct.pack("!BBQ", TEXT_FRAME, 127, length)


def id_tail(id_: str) -> bytes:
    """Return how a `next` message ends for the operation of this id."""
    return b',"id":' + orjson.dumps(id_) + b"}"


class News:
    """An answer, encoded once for each way on which somebody listens."""

    __slots__ = ("_chunk", "_frames", "_text", "cost", "cursor", "payload")

    def __init__(self, payload: dict[str, Any], cursor: EventCursor, cost: int) -> None:
        self.cursor = cursor
        self.cost = cost  # in points, for each caller who hears it
        self.payload = payload
        self._text = encoded(payload)
        self._frames: dict[int, bytes] = {}  # by the length of what follows
        self._chunk: bytes | None = None

    def frame(self, tail: bytes) -> bytes:
        """Return the whole WebSocket frame of the `next` message that ends so."""
        shared = self._frames.get(len(tail))
        if shared is None:  # clients' ids mostly have one length
            message = NEXT + self._text
            shared = self._frames[len(tail)] = frame_header(len(message) + len(tail)) + message
        return shared + tail

    @property
    def chunk(self) -> bytes:
        """The event as a chunk of a text/event-stream body (RFC 9112, 7.1)."""
        if self._chunk is None:
            self._chunk = chunked(b"event: next\nid: %b\ndata: %b\n\n" % (str(self.cursor).encode(), self._text))
        return self._chunk


def chunked(data: bytes) -> bytes:
    """Return data as a chunk of an HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
