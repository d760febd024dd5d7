"""The import of an archive of posts: received as a stream, read as a stream, each post once however often it comes."""

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from app import stores
from app.domain.errors import Conflict, NotFound
from app.domain.mastodon import ACTIVITIES, OUTBOX, ArchivedPost, Skipped, id_of, post_of
from app.domain.models import Job
from app.infra import archives
from app.infra.database import Database
from app.services import blobs, jobs
from app.services.archived_media import ImportingMedia
from app.services.context import RequestContext
from app.services.jobs import Attempt

POSTS_AT_ONCE = 200
EXAMPLES = 20  # of what was skipped, in the report
MEDIA_TYPE = "application/octet-stream"  # what it is, is seen in it

HEAD_BYTES = 4_096  # where a collection says how many entries it has
TOTAL = re.compile(rb'"totalItems"\s*:\s*([0-9]{1,9})\b')

Entry = tuple[str, ArchivedPost | Skipped]  # with the entry's own name


async def request(ctx: RequestContext, chunks: AsyncIterable[bytes]) -> Job:
    """Receive an archive and accept its import.

    Raises:
        Unauthenticated: the request is anonymous.
        Throttled: the viewer has too many jobs that have not ended.
        Conflict: the account is being deleted.
    """
    viewer_id = ctx.signed_in().user_id
    if any(job.kind == jobs.ACCOUNT_DELETION for job in await stores.jobs.unfinished(ctx.db, viewer_id)):
        raise Conflict("This account is being deleted.")
    ttl_s = ctx.settings.upload_ttl_s
    blob_id = await blobs.received(ctx.resources.db, chunks, owner_id=viewer_id, media_type=MEDIA_TYPE, ttl_s=ttl_s)
    try:
        async with ctx.db.transaction() as db:
            job = await jobs.request(ctx, db, jobs.IMPORT, blobId=blob_id)
    except BaseException:
        await asyncio.shield(stores.blobs.delete(ctx.resources.db, [blob_id]))
        raise
    ctx.resources.relay.wake()
    return job


async def run(attempt: Attempt) -> dict[str, Any]:
    """Do the job: write the archive's posts, some hundred in a transaction; return the report."""
    settings = attempt.resources.settings
    [blob] = await stores.blobs.by_ids(attempt.db, [attempt.job.input["blobId"]])
    if blob is None:
        raise NotFound("The archive is gone: its time was over before it was imported.")
    with tempfile.TemporaryFile(prefix="feedgraph-import-") as file:
        await blobs.copy_to(attempt.db, blob.id, file)
        limits = {"most": settings.max_unpacked_bytes}
        head = await asyncio.to_thread(archives.beginning, file, OUTBOX, size=HEAD_BYTES, **limits)
        items = archives.items(file, OUTBOX, ACTIVITIES, **limits, most_an_item=settings.max_archive_item_bytes)
        entries = ((id_of(item), post_of(item, now=datetime.now(UTC))) for item in items)
        importing = Importing(attempt, total_in(head))
        while batch := await asyncio.to_thread(next_batch, entries):
            await importing.add(batch)
        await importing.media.bring(file, done=importing.seen)
    report = await importing.report()
    await stores.blobs.delete(attempt.db, [blob.id])
    return report


def next_batch(entries: Iterator[Entry]) -> list[Entry]:
    """Return the next entries: unpacking and parsing take time, so this runs on a thread."""
    return list(islice(entries, POSTS_AT_ONCE))


def total_in(head: bytes) -> int | None:
    """Return how many entries the collection says it has, for progress only: it may be wrong."""
    found = TOTAL.search(head)
    return int(found[1]) if found else None


class Importing:
    """Goes through an archive, and counts what becomes of it."""

    def __init__(self, attempt: Attempt, total: int | None) -> None:
        self._attempt = attempt
        self._total = total
        self.seen = 0
        self.media = ImportingMedia(attempt)
        self._skipped: Counter[Skipped] = Counter()
        self._examples: list[dict[str, str]] = []

    async def add(self, batch: Sequence[Entry]) -> None:
        """Write a batch's posts, with the progress that it makes, in one transaction."""
        posts = {}
        for source_id, entry in batch:
            if isinstance(entry, ArchivedPost):
                posts[entry.source_id] = entry
            else:
                self._skip(entry, source_id)
        self.seen += len(batch)
        job = self._attempt.job
        async with self._attempt.db.transaction() as db:
            written = 0
            layers = await self._layers(db, posts)
            for layer in layers:
                written += await stores.imports.add(db, job.owner_id, job.id, layer)
            await stores.users.add_to_posts_count(db, job.owner_id, written)
            await self.media.note(db, [post for layer in layers for post in layer])
            total = max(self._total, self.seen) if self._total is not None else None
            await self._attempt.advance(db, self.seen, total)
        self._attempt.tell()

    async def _layers(self, db: Database, posts: dict[str, ArchivedPost]) -> list[list[ArchivedPost]]:
        """Return the posts so that what is answered comes before its answers; leave out answers to what is not here."""
        left = dict(posts)
        parents = [post.in_reply_to for post in left.values() if post.in_reply_to is not None]
        here = await stores.imports.known(db, self._attempt.job.owner_id, parents) if parents else set()
        layers = []
        while ready := [post for post in left.values() if post.in_reply_to is None or post.in_reply_to in here]:
            layers.append(ready)
            here |= {post.source_id for post in ready}
            for post in ready:
                del left[post.source_id]
        for post in left.values():
            self._skip(Skipped.REPLY_TO_OTHERS, post.source_id)
        return layers

    def _skip(self, reason: Skipped, source_id: str) -> None:
        self._skipped[reason] += 1
        if len(self._examples) < EXAMPLES:
            self._examples.append({"id": source_id, "reason": reason.value})

    async def report(self) -> dict[str, Any]:
        """Return what became of the archive's entries; what an earlier attempt of the job wrote counts as imported."""
        job = self._attempt.job
        imported = await stores.imports.written(self._attempt.db, job.owner_id, job.id)
        self._skipped[Skipped.DUPLICATE] = self.seen - imported - self._skipped.total()
        skipped = {reason.value: number for reason, number in sorted(self._skipped.items()) if number}
        return {
            "entries": self.seen,
            "imported": imported,
            "skipped": skipped,
            "examples": self._examples,
            "images": await self.media.report(),
        }
