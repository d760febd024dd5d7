"""MediaService: images of posts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import services
from app.domain.ids import parse_id
from app.services.context import RequestContext
from app.transports.grpc.files import Download, Upload
from app.transports.grpc.messages import media_message
from app.transports.grpc.stubs import media_pb2


async def upload(ctx: RequestContext, file: Upload) -> media_pb2.Media:
    """Take an image in; it waits for a post of the viewer's."""
    alt = file.first.alt if file.first.HasField("alt") else None
    return media_message(await services.media.upload(ctx, file.chunks(ctx.settings.max_image_bytes), alt=alt))


async def get(ctx: RequestContext, request: media_pb2.MediaRequest) -> media_pb2.Media:
    """Return what is known of an image."""
    return media_message(await services.media.existing(ctx, parse_id(request.media_id, field="media_id")))


@asynccontextmanager
async def get_file(ctx: RequestContext, request: media_pb2.GetFileRequest) -> AsyncIterator[Download]:
    """Give an image's file, or the small one."""
    media = await services.media.existing(ctx, parse_id(request.media_id, field="media_id"))
    blob = await services.media.bytes_of(ctx, media.thumbnail_id if request.thumbnail else media.file_id)
    yield Download(blob.media_type, blob.size, services.blobs.read(ctx.resources.db, blob.id))
