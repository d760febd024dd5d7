"""One event's answer as bytes that all its listeners share; a socket only adds its operation's id, at the end."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import orjson

from app.domain.events import EventCursor
from app.transports.graphql.pipeline import encoded

TEXT_FRAME: Final = 0x81  # FIN, opcode 1 (RFC 6455, 5.2)
NEXT: Final = b'{"type":"next","payload":'
LARGEST_BULLETIN = 64 * 1024  # bytes, unless one answer alone is larger: what may wait for a client stays bounded


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
    def size(self) -> int:
        """How many bytes it has, about."""
        return len(self._text)

    @property
    def chunk(self) -> bytes:
        """The event as a chunk of a text/event-stream body (RFC 9112, 7.1)."""
        if self._chunk is None:
            self._chunk = chunked(b"event: next\nid: %b\ndata: %b\n\n" % (str(self.cursor).encode(), self._text))
        return self._chunk


class Bulletin:
    """Answers that follow one another, sent in one write: a write costs a server more than everything else in a delivery."""

    __slots__ = ("_chunk", "_frames", "_tail", "cursor", "news")

    def __init__(self, news: Sequence[News]) -> None:
        self.news = news
        self.cursor = news[-1].cursor  # up to where the log was seen by whoever got it
        self._tail: bytes | None = None  # of the frames that were put together last: most clients use the same ids
        self._frames = b""
        self._chunk: bytes | None = None

    def frame(self, tail: bytes) -> bytes:
        """Return the whole WebSocket frames of the `next` messages that end so."""
        if tail != self._tail:
            self._tail, self._frames = tail, b"".join([news.frame(tail) for news in self.news])
        return self._frames

    @property
    def chunk(self) -> bytes:
        """The events as chunks of a text/event-stream body."""
        if self._chunk is None:
            self._chunk = b"".join([news.chunk for news in self.news])
        return self._chunk


Sendable: TypeAlias = News | Bulletin


def bulletins(news: Sequence[News]) -> Iterator[Bulletin]:
    """Join answers into as few bulletins as their sizes allow."""
    begin = size = 0
    for number, item in enumerate(news):
        if number > begin and size + item.size > LARGEST_BULLETIN:
            yield Bulletin(news[begin:number])
            begin, size = number, 0
        size += item.size
    if begin < len(news):
        yield Bulletin(news[begin:])


def chunked(data: bytes) -> bytes:
    """Return data as a chunk of an HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
