"""Large values in pieces: written as they come, read as they go, so that memory does not grow with their size."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import IO

from app import stores
from app.infra.database import Database
from app.stores.blobs import PIECE_BYTES


async def pieces_of(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Give the same bytes in pieces of the size in which they are kept."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
    if waiting:
        yield bytes(waiting)


async def received(db: Database, chunks: AsyncIterable[bytes], *, owner_id: int, media_type: str, ttl_s: int) -> int:
    """Keep what comes, for so long; return the blob's id. Nothing stays where it does not come to its end."""
    blob_id = await stores.blobs.insert(db, owner_id=owner_id, media_type=media_type, ttl_s=ttl_s)
    try:
        number = 0
        async for piece in pieces_of(chunks):
            await stores.blobs.write(db, blob_id, number, piece)
            number += 1
    except BaseException:
        await asyncio.shield(stores.blobs.delete(db, [blob_id]))
        raise
    return blob_id


async def kept(db: Database, value: bytes, *, owner_id: int, media_type: str) -> int:
    """Keep a value until whatever it belongs to goes; return the blob's id."""
    blob_id = await stores.blobs.insert(db, owner_id=owner_id, media_type=media_type, ttl_s=None)
    for number, start in enumerate(range(0, len(value), PIECE_BYTES)):
        await stores.blobs.write(db, blob_id, number, value[start : start + PIECE_BYTES])
    return blob_id


async def read(db: Database, blob_id: int) -> AsyncIterator[bytes]:
    """Give a blob's bytes, piece after piece; each costs a statement."""
    number = 0
    while (piece := await stores.blobs.read(db, blob_id, number)) is not None:
        yield piece
        number += 1


async def copy_to(db: Database, blob_id: int, file: IO[bytes]) -> None:
    """Copy a blob into a file, and go back to its beginning: for readers that must seek."""
    async for piece in read(db, blob_id):
        await asyncio.to_thread(file.write, piece)
    file.seek(0)
