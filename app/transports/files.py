"""Files on their way, to us and from us, whatever the wire: bounded in size, and for as long as the other side does its part."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import hdrs

from app.transports.errors import RequestError

Result = TypeVar("Result")

CHUNK_BYTES: Final = 64 * 1024
CLOSING: Final[dict[str, str]] = {hdrs.CONNECTION: "close"}  # of HTTP/1.1: the rest of the body is not read


async def arriving(chunks: AsyncIterator[bytes], *, most: int, patience_s: float) -> AsyncIterator[bytes]:
    """Give a file that somebody sends, as it arrives; to its end, or not at all.

    Args:
        chunks: its bytes; it raises where the file breaks off.
        most: bytes that it may have.
        patience_s: how long nothing may arrive.

    Raises:
        RequestError: it is larger, or stopped arriving.
    """
    received = 0
    while (chunk := await in_time(anext(chunks, None), patience_s)) is not None:
        received += len(chunk)
        if received > most:
            raise too_large(most)
        yield chunk


async def in_time(arrival: Awaitable[Result], patience_s: float) -> Result:
    """Return what arrives.

    Raises:
        RequestError: nothing does within so many seconds.
    """
    try:
        async with asyncio.timeout(patience_s):
            return await arrival
    except TimeoutError:
        raise RequestError("REQUEST_TIMEOUT", f"Nothing arrived for {patience_s:g} seconds.", headers=dict(CLOSING)) from None


def too_large(most: int) -> RequestError:
    """Return the refusal of a file that is larger than allowed."""
    return RequestError("BODY_TOO_LARGE", f"The file is larger than {most:,} bytes.", headers=dict(CLOSING))


async def leave(pieces: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[object]], *, patience_s: float) -> None:
    """Send a file, a chunk when the one before has room.

    Raises:
        RequestError: its reader took nothing for so long.
    """
    async for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            try:
                async with asyncio.timeout(patience_s):
                    await write(piece[start : start + CHUNK_BYTES])
            except TimeoutError:
                raise RequestError("SLOW_CONSUMER", f"You took nothing of the file for {patience_s:g} seconds.") from None
