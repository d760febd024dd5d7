"""The images of an archive's posts: found when the posts are there; each is made anew as an upload is, or skipped and counted."""

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from typing import IO, Any

from app import stores
from app.domain.errors import ArchiveInvalid, ArchiveTooLarge, ImageInvalid, ImageTooLarge
from app.domain.mastodon import ArchivedPost, SkippedMedia, media_name
from app.infra import archives, images
from app.infra.archives import Content
from app.infra.database import Database
from app.services import blobs
from app.services.jobs import Attempt
from app.stores.archived_media import IMPORTED


class ImportingMedia:
    """Looks for an archive's images, and counts what becomes of them."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._most = attempt.resources.settings.max_imported_images
        self._found = 0  # attachments that are images, in this archive
        self._skipped: Counter[str] = Counter()  # those that are not looked for; the others are counted where they are kept

    async def note(self, db: Database, posts: Sequence[ArchivedPost]) -> None:
        """Note in the transaction of a batch which images its posts have. At most one statement."""
        noted = []
        for post in posts:
            self._skipped.update(reason.value for reason in post.skipped_media)
            if self._found + len(post.media) > self._most:
                self._skipped[SkippedMedia.TOO_MANY.value] += len(post.media)
            elif post.media:
                self._found += len(post.media)
                noted.append(post)
        if noted:
            await stores.archived_media.add(db, self._attempt.job.owner_id, self._attempt.job.id, noted)

    async def bring(self, file: IO[bytes], *, done: int) -> None:
        """Go through the archive once more for the images, one at a time; `done` steps of the job are done by now."""
        attempt, settings = self._attempt, self._attempt.resources.settings
        wanted = await stores.archived_media.wanted(attempt.db, attempt.job.id)
        if not wanted:
            return
        total = done + len(wanted)
        found = archives.files(
            file,
            lambda name: media_name(name) in wanted,
            most=settings.max_unpacked_bytes,
            most_a_file=settings.max_image_bytes,
        )
        while (next_one := await asyncio.to_thread(next, found, None)) is not None:
            name = media_name(next_one[0]) or ""
            wanted.discard(name)  # a second file of the name is nobody's
            done += 1
            await self._take(name, next_one[1], done, total)
        async with attempt.db.transaction() as db:
            await stores.archived_media.skip_rest(db, attempt.job.id, SkippedMedia.MISSING)
            await attempt.advance(db, total, total)

    async def _take(self, name: str, content: Content, done: int, total: int) -> None:
        """Keep an image with its post, or say why not, in one transaction."""
        attempt = self._attempt
        picture = await picture_of(content, most_pixels=attempt.resources.settings.max_image_pixels)
        async with attempt.db.transaction() as db:
            if isinstance(picture, SkippedMedia):
                await stores.archived_media.skip(db, attempt.job.id, name, picture)
            else:
                await self._keep(db, name, picture)
            await attempt.advance(db, done, total)
        attempt.tell()

    async def _keep(self, db: Database, name: str, picture: images.Picture) -> None:
        owner_id, job_id = self._attempt.job.owner_id, self._attempt.job.id
        file_id = await blobs.kept(db, picture.file, owner_id=owner_id, media_type=picture.media_type)
        thumbnail_id = await blobs.kept(db, picture.thumbnail, owner_id=owner_id, media_type=images.THUMBNAIL_TYPE)
        measures = (picture.width, picture.height, len(picture.file))
        is_placed = await stores.archived_media.place(
            db, job_id, name, media_type=picture.media_type, measures=measures, blob_ids=(file_id, thumbnail_id)
        )
        if not is_placed:
            await stores.blobs.delete(db, [file_id, thumbnail_id])
            await stores.archived_media.skip(db, job_id, name, SkippedMedia.DUPLICATE)

    async def report(self) -> dict[str, Any]:
        """Return what became of all attachments; what an earlier attempt of the job did counts, too."""
        outcomes = await stores.archived_media.outcomes(self._attempt.db, self._attempt.job.id)
        imported = outcomes.pop(IMPORTED, 0)
        skipped = self._skipped + Counter({str(outcome): number for outcome, number in outcomes.items()})
        skipped[SkippedMedia.DUPLICATE.value] += self._found - imported - sum(outcomes.values())
        return {"imported": imported, "skipped": {reason: number for reason, number in sorted(skipped.items()) if number}}


async def picture_of(content: Content, *, most_pixels: int) -> images.Picture | SkippedMedia:
    """Return what is kept of a file, or why it is nothing."""
    if isinstance(content, ArchiveTooLarge):
        return SkippedMedia.TOO_LARGE
    if isinstance(content, ArchiveInvalid):
        return SkippedMedia.MALFORMED
    try:
        return await images.cleaned(io.BytesIO(content), most_pixels=most_pixels)
    except ImageTooLarge:
        return SkippedMedia.TOO_LARGE
    except ImageInvalid:
        return SkippedMedia.MALFORMED
