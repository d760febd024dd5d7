"""A client of event streams (WHATWG HTML, 9.2) that comes back after every break and goes on behind the last id that it saw."""

import asyncio
import codecs
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

FIRST_RETRY_S = 1.0
SILENCE_S = 60.0  # the server sends a comment far more often


class Refused(Exception):
    """The server will not give this stream, however often it is asked; the text says why."""


@dataclass(slots=True)
class Message:
    """One event of a stream."""

    id: str
    type: str
    data: str


@dataclass(slots=True)
class Parser:
    """Turns the text of a stream into messages."""

    last_id: str = ""
    retry_s: float = FIRST_RETRY_S
    has_begun: bool = False  # the server has sent something
    _left: str = ""
    _fields: dict[str, list[str]] = field(default_factory=dict)

    def feed(self, text: str) -> Iterator[Message]:
        """Give the messages that the text completes."""
        *lines, self._left = (self._left + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            if line:
                name, _, value = line.partition(":")
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
            elif (message := self._completed()) is not None:
                yield message

    def _completed(self) -> Message | None:
        fields, self._fields = self._fields, {}
        if "id" in fields:
            self.last_id = fields["id"][-1]
        if "retry" in fields and fields["retry"][-1].isdecimal():
            self.retry_s = int(fields["retry"][-1]) / 1000
        if "data" not in fields:
            return None
        return Message(self.last_id, fields.get("event", ["message"])[-1], "\n".join(fields["data"]))


async def messages(
    session: aiohttp.ClientSession,
    url: str,
    *,
    headers: dict[str, str],
    last_id: str = "",
    on_break: Callable[[], None] = lambda: None,
) -> AsyncIterator[Message]:
    """Give the messages of a stream, for ever. `on_break` is called when it breaks, and not again before it has come back.

    Raises:
        Refused: the server answers with an error of the caller's.
    """
    parser = Parser(last_id)
    is_told = False
    while True:
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async for message in once(session, url, headers, parser):
                yield message
        if parser.has_begun or not is_told:
            on_break()
            is_told = True
        await asyncio.sleep(parser.retry_s)
        parser = Parser(parser.last_id, parser.retry_s)  # half a message that came before the break is not one


async def once(session: aiohttp.ClientSession, url: str, headers: dict[str, str], parser: Parser) -> AsyncIterator[Message]:
    """Give the messages of one connection, until it breaks.

    Raises:
        Refused: as for `messages`.
    """
    sent = {"Accept": "text/event-stream", **headers} | ({"Last-Event-ID": parser.last_id} if parser.last_id else {})
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_S)
    async with session.get(url, headers=sent, timeout=timeout) as response:
        if 400 <= response.status < 500 and response.status != 429:
            raise Refused(f"the server answered {response.status}: {(await response.text())[:500]}")
        if response.status == 200:
            parser.has_begun = True
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            async for chunk in response.content.iter_any():
                for message in parser.feed(decoder.decode(chunk)):
                    yield message
