"""The export of a person's data: JSON Lines, CSV and images in a zip, made a batch at a time, fetched once."""

import asyncio
import csv
import io
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import orjson

from app import stores
from app.domain.errors import Conflict, Gone, NotFound
from app.domain.models import Blob, Job, JobState
from app.domain.times import wire_time
from app.infra.database import Database
from app.services import blobs, jobs
from app.services.context import RequestContext
from app.services.jobs import Attempt
from app.stores.blobs import PIECE_BYTES
from app.stores.exports import MEDIA, PARTS

ROWS_AT_ONCE = 500
MEDIA_TYPE = "application/zip"

Row = dict[str, Any]


async def request(ctx: RequestContext) -> Job:
    """Accept an export of the viewer's data; while one is being made, return that one.

    Raises:
        Unauthenticated: the request is anonymous.
        Throttled: the viewer has too many jobs that have not ended.
    """
    async with ctx.db.transaction() as db:
        job = await jobs.request(ctx, db, jobs.EXPORT, is_single=True)
    ctx.resources.relay.wake()
    return job


async def make(attempt: Attempt) -> Row:
    """Do the job: write the zip into a blob, piece by piece."""
    owner_id = attempt.job.owner_id
    total = await stores.exports.steps(attempt.db, owner_id)
    ttl_s = attempt.resources.settings.export_ttl_s
    blob_id = await stores.blobs.insert(attempt.db, owner_id=owner_id, media_type=MEDIA_TYPE, ttl_s=ttl_s)
    pieces, done = 0, 0
    async for done, piece in zipped(attempt.db, owner_id):
        async with attempt.db.transaction() as db:
            if piece:
                await stores.blobs.write(db, blob_id, pieces, piece)
                pieces += 1
            await attempt.advance(db, done, max(total, done))
        attempt.tell()
    return {"blobId": blob_id}


async def taken(ctx: RequestContext, job: Job) -> Blob:
    """Claim a finished export for the one time that it can be fetched.

    Raises:
        NotFound: the job is no export, or did not succeed.
        Conflict: it is still running.
        Gone: it was fetched before, or its time is over.
    """
    if job.kind != jobs.EXPORT:
        raise NotFound("This job has no file to fetch.")
    if not job.has_ended:
        raise Conflict("The export is still being made: ask for the job until it has succeeded.")
    if job.state is not JobState.SUCCEEDED or job.result is None:
        raise NotFound("This export did not succeed: request another one.")
    blob = await stores.blobs.take(ctx.db, job.result["blobId"])
    if blob is None:
        raise Gone("This export was fetched already, or its time is over: request another one.")
    return blob


@dataclass(slots=True)
class Fetch:
    """An export on its way to its owner."""

    blob: Blob
    is_complete: bool = False  # to be set when all of it is there


@asynccontextmanager
async def fetching(ctx: RequestContext, job: Job) -> AsyncIterator[Fetch]:
    """Give an export to be fetched; it goes once it was fetched to its end, else it can be fetched again.

    Raises:
        NotFound, Conflict, Gone: as for `taken`.
    """
    fetch = Fetch(await taken(ctx, job))
    try:
        yield fetch
    finally:
        db, id_ = ctx.resources.db, fetch.blob.id
        end = stores.blobs.delete(db, [id_]) if fetch.is_complete else stores.blobs.give_back(db, id_)
        await ctx.resources.to_the_end(end)


async def zipped(db: Database, user_id: int) -> AsyncIterator[tuple[int, bytes]]:
    """Give the archive: steps done so far, and the next piece of it, which may be empty."""
    spool = Spool()
    done = 0
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED) as archive:
        async for steps in filled(db, archive, user_id):
            done += steps
            for piece in spool.full_pieces() or [b""]:
                yield done, piece
    for piece in spool.rest():
        yield done, piece


async def filled(db: Database, archive: zipfile.ZipFile, user_id: int) -> AsyncIterator[int]:
    """Write everything into an archive; give how many steps were done, whenever there may be a full piece."""
    for part in PARTS:
        for suffix, form in ((".jsonl", json_lines), (".csv", comma_separated)):
            with archive.open(part + suffix, "w", force_zip64=True) as file:
                is_first = True
                async for rows in batches(db, part, user_id):
                    await asyncio.to_thread(write, file, form, rows, is_first)
                    is_first = False
                    yield len(rows)
    async for rows in batches(db, MEDIA, user_id):
        for row in rows:
            async for steps in with_image(db, archive, row):
                yield steps


async def with_image(db: Database, archive: zipfile.ZipFile, row: Row) -> AsyncIterator[int]:
    """Put an image's file into the archive, whole or, where it is gone, not at all; give steps as `filled` does.

    The image is copied while it is held, so that nobody deletes it half-way, and written when nobody waits for it any more.
    """
    with tempfile.TemporaryFile(prefix="feedgraph-export-") as copy:
        async with db.transaction() as holding:
            file_id = await stores.media.hold(holding, int(row["media_id"]))
            if file_id is not None:
                await blobs.copy_to(holding, file_id, copy)
        if file_id is not None:
            with archive.open(zipfile.ZipInfo(row["file"]), "w", force_zip64=True) as file:  # as it is: it is packed already
                while piece := await asyncio.to_thread(copy.read, PIECE_BYTES):
                    await asyncio.to_thread(file.write, piece)
                    yield 0
    yield 1


async def batches(db: Database, part: str, user_id: int) -> AsyncIterator[list[Row]]:
    """Give a part's rows, so many at once."""
    after = 0
    while rows := await stores.exports.rows(db, part, user_id, after=after, limit=ROWS_AT_ONCE):
        after = rows[-1][0]
        yield [{name: shown(name, value) for name, value in list(row.items())[1:]} for row in rows]


def shown(name: str, value: Any) -> Any:
    """Return a value as it is written: ids as decimal strings, times as on every wire."""
    if isinstance(value, datetime):
        return wire_time(value)
    return str(value) if name.endswith("_id") and value is not None else value


def write(file: IO[bytes], form: Callable[[Sequence[Row], bool], bytes], rows: Sequence[Row], is_first: bool) -> None:
    """Write rows in a form; compressing takes time, so this runs on a thread."""
    file.write(form(rows, is_first))


def json_lines(rows: Sequence[Row], _is_first: bool) -> bytes:
    """Return rows as JSON Lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def comma_separated(rows: Sequence[Row], is_first: bool) -> bytes:
    """Return rows as CSV (RFC 4180), the first ones with their heads."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    if is_first:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class Spool:
    """What an archive is written to: it hands on what has come and keeps nothing else."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        """Take what the archive writes."""
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is taken from here."""

    def close(self) -> None:
        """Do nothing, for the same reason."""

    def full_pieces(self) -> list[bytes]:
        """Return the pieces that are full."""
        return self._taken(len(self._waiting) // PIECE_BYTES * PIECE_BYTES)

    def rest(self) -> list[bytes]:
        """Return all that is left, in pieces."""
        return self._taken(len(self._waiting))

    def _taken(self, size: int) -> list[bytes]:
        pieces = [bytes(self._waiting[start : min(start + PIECE_BYTES, size)]) for start in range(0, size, PIECE_BYTES)]
        del self._waiting[:size]
        return pieces
