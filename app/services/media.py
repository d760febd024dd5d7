"""Images: taken in, made clean, given to posts, and shown to whoever sees their post."""

import asyncio
import tempfile
from collections.abc import AsyncIterable, Sequence

from app import stores
from app.domain import text
from app.domain.errors import Conflict, InvalidInput, NotFound, Throttled
from app.domain.models import MOST_MEDIA, Blob, Media
from app.infra import images
from app.infra.database import Database
from app.services import blobs
from app.services.context import RequestContext

FIELD = "mediaIds"
NO_SUCH_IMAGE = "There is no such image, or it is hidden from you."
ASK_AGAIN_S = 3_600


async def upload(ctx: RequestContext, chunks: AsyncIterable[bytes], *, alt: str | None) -> Media:
    """Take an image in: it waits for a post of the viewer's.

    Raises:
        Unauthenticated: the request is anonymous.
        InvalidInput: the description is not acceptable.
        ImageInvalid, ImageTooLarge: the file is not one of the known images; it has too many pixels.
        Throttled: too many images of the viewer's wait already.
    """
    owner_id, settings = ctx.signed_in().user_id, ctx.settings
    alt = text.paragraph(alt, field="alt", longest=text.ALT_LENGTH) if alt and alt.strip() else None
    if await stores.media.waiting(ctx.db, owner_id) >= settings.max_waiting_media:
        message = f"You have {settings.max_waiting_media} images that no post has: write posts with them, or wait until they go."
        raise Throttled(message, retry_after_s=ASK_AGAIN_S)
    with tempfile.TemporaryFile() as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
        file.seek(0)
        picture = await images.cleaned(file, most_pixels=settings.max_image_pixels)
    async with ctx.db.transaction() as db:
        return await stores.media.insert(
            db,
            owner_id=owner_id,
            alt=alt,
            media_type=picture.media_type,
            measures=(picture.width, picture.height, len(picture.file)),
            file_id=await blobs.kept(db, picture.file, owner_id=owner_id, media_type=picture.media_type),
            thumbnail_id=await blobs.kept(db, picture.thumbnail, owner_id=owner_id, media_type=images.THUMBNAIL_TYPE),
        )


async def existing(ctx: RequestContext, id_: int) -> Media:
    """Return an image. One statement.

    Raises:
        NotFound: there is none that the viewer may see.
    """
    found: Media | None
    [found] = await stores.media.by_ids(ctx.db, [id_], viewer_id=ctx.sees_as)
    if found is None:
        raise NotFound(NO_SUCH_IMAGE)
    return found


async def bytes_of(ctx: RequestContext, blob_id: int) -> Blob:
    """Return the blob of an image's file or thumbnail. One statement.

    Raises:
        NotFound: it went away just now.
    """
    [blob] = await stores.blobs.by_ids(ctx.db, [blob_id])
    if blob is None:
        raise NotFound(NO_SUCH_IMAGE)
    return blob


def checked_ids(ids: Sequence[int]) -> tuple[int, ...]:
    """Return the images that a post is to have.

    Raises:
        InvalidInput: they are too many, or one is there twice.
    """
    if len(ids) > MOST_MEDIA:
        raise InvalidInput(f"A post has at most {MOST_MEDIA} images; these are {len(ids):,}.", field=FIELD)
    if len(set(ids)) < len(ids):
        raise InvalidInput("The same image is there twice.", field=FIELD)
    return tuple(ids)


async def attach(db: Database, ids: Sequence[int], *, post_id: int, owner_id: int) -> None:
    """Give images to a post in its transaction, all or none. One statement, none without images.

    Raises:
        NotFound: one is not there, or not of the post's author.
        Conflict: one is in a post already.
    """
    if not ids or await stores.media.attach(db, ids, post_id=post_id, owner_id=owner_id) == len(ids):
        return
    if await stores.media.owned(db, ids, owner_id) < len(ids):
        raise NotFound("One of these images is not there, or not yours: upload it again.")
    raise Conflict("One of these images is in a post already: upload it once more.")
