"""Clients that listen over WebSockets by the thousand: bare protocols that only count, so that the server is what is measured."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import orjson

from app.bench.wire import CannotMeasure

QUERY = "subscription { postAdded { id title author { name } } }"
OPENED_AT_A_TIME = 50
OPEN_TIMEOUT_S = 30.0
TEXT, PING, CLOSE = 1, 9, 8  # opcodes (RFC 6455, 5.2)


class Crowd:
    """Listeners of one subscription, and the moment when all of them have heard an event."""

    def __init__(self, url: str, *, payload: dict[str, str] | None = None) -> None:
        address = urlsplit(url)
        self.host, self.port = address.hostname or "127.0.0.1", address.port or 80
        self.payload = payload or {}
        self.listeners: list[Listener] = []
        self.heard = 0
        self.failures: list[str] = []
        self._wanted = 0
        self._reached: asyncio.Event = asyncio.Event()

    async def open(self, count: int, progress: Callable[[int], None] = lambda _: None) -> None:
        """Connect so many listeners more and let them subscribe.

        Raises:
            CannotMeasure: the server does not take them all.
        """
        while len(self.listeners) < count:
            number = min(OPENED_AT_A_TIME, count - len(self.listeners))
            self.listeners += await asyncio.gather(*(self.one() for _ in range(number)))
            progress(len(self.listeners))

    async def one(self) -> "Listener":
        """Connect one listener and let it subscribe."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                _, listener = await loop.create_connection(lambda: Listener(self), self.host, self.port)
                await listener.acknowledged
        except (OSError, TimeoutError) as error:
            raise CannotMeasure(f"A listener could not connect to {self.host}:{self.port}: {error!r}.") from error
        return listener

    def hear(self, frames: int) -> None:
        """Count deliveries."""
        self.heard += frames
        if self.heard >= self._wanted:
            self._reached.set()

    async def until_heard(self, deliveries: int, timeout_s: float) -> None:
        """Wait until so many deliveries have arrived altogether.

        Raises:
            CannotMeasure: they do not.
        """
        self._wanted = deliveries
        self._reached.clear()
        if self.heard >= deliveries:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._reached.wait()
        except TimeoutError:
            message = f"{self.heard:,} of {deliveries:,} deliveries arrived in {timeout_s:g} s; {self.failures[:3]}"
            raise CannotMeasure(message) from None

    def close(self) -> None:
        """Let go of all connections."""
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()


class Listener(asyncio.Protocol):
    """One connection: upgrade, connection_init, subscribe, then only counting."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._left = b""
        self._is_open = False
        self._transport: asyncio.Transport
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /graphql HTTP/1.1\r\nHost: {self._crowd.host}:{self._crowd.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        self._transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        """Count the frames that are complete."""
        if self._left:
            data = self._left + data
        if not self._is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._left = head
                return
            if b" 101 " not in head[:20]:
                self._fail(head[:100].decode(errors="replace"))
                return
            self._is_open = True
            self.say({"type": "connection_init", "payload": self._crowd.payload})
        self._left = self._frames(data)

    def _frames(self, data: bytes) -> bytes:
        at, size, counted = 0, len(data), 0
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start > size or size - start < length:
                break
            if data[at] == 0x81 and data.startswith(b'{"type":"next"', start):
                counted += 1
            elif data[at] == 0x81 and self.acknowledged.done() and b'"next"' in data[start : start + length]:
                counted += 1  # another server's order of keys
            else:
                self._other(data[at] & 0x0F, data[start : start + length])
            at = start + length
        if counted:
            self._crowd.hear(counted)
        return data[at:]

    def _other(self, opcode: int, body: bytes) -> None:
        if opcode == TEXT and b"connection_ack" in body:
            self.say({"id": "1", "type": "subscribe", "payload": {"query": QUERY}})
            if not self.acknowledged.done():
                self.acknowledged.set_result(None)
        elif opcode == TEXT and b'"ping"' in body:
            self.say({"type": "pong"})
        elif opcode == PING:
            self._transport.write(masked(0x8A, body))
        else:
            self._fail(body[:200].decode(errors="replace"))

    def say(self, message: dict[str, object]) -> None:
        """Send a message."""
        self._transport.write(masked(0x81, orjson.dumps(message)))

    def close(self) -> None:
        """Leave without a word."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that it broke, unless we left."""
        if not self.acknowledged.done():
            self.acknowledged.set_exception(ConnectionResetError(f"closed before it was acknowledged: {exc}"))

    def _fail(self, what: str) -> None:
        self._crowd.failures.append(what)
        self._transport.abort()


def masked(first_byte: int, body: bytes) -> bytes:
    """Return a client's frame; its mask is zero, which leaves the body as it is."""
    if len(body) < 126:
        return struct.pack("!BB", first_byte, 0x80 | len(body)) + bytes(4) + body
    return struct.pack("!BBH", first_byte, 0x80 | 126, len(body)) + bytes(4) + body
