"""Images as resources: uploaded as they are, described, and sent to whoever sees their post."""

from typing import Annotated, Any

from aiohttp import hdrs, web
from pydantic import Field

from app import services
from app.domain import text
from app.transports.exchange import body_chunks
from app.transports.resources import MediaResource, media_resource
from app.transports.rest.answers import VARY, caching
from app.transports.rest.declaring import Call, Query, Reply, Route
from app.transports.rest.files import sent
from app.transports.rest.reading import sized

TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")
SHOWN_ALONE = {  # a picture that is opened as a page can do nothing there
    hdrs.CONTENT_DISPOSITION: "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class Upload(Query):
    """What comes with an image."""

    alt: Annotated[
        Annotated[str, sized(0, text.ALT_LENGTH)] | None,
        Field(description="What it shows, for those who cannot see it: at most 1,000 characters."),
    ] = None


async def upload(call: Call[Upload, None]) -> Reply:
    """Upload an image as the body; it waits a day for a post of yours that names it in mediaIds."""
    chunks = body_chunks(call.request, most=call.ctx.settings.max_image_bytes)
    media = await services.media.upload(call.ctx, chunks, alt=call.query.alt)
    return Reply(media_resource(media), {hdrs.LOCATION: media.url.removesuffix("/file")})


async def get(call: Call[Query, None]) -> Reply:
    """Return what is known of an image."""
    return Reply(media_resource(await services.media.existing(call.ctx, call.id)))


async def file(call: Call[Query, None]) -> web.StreamResponse:
    """Return an image."""
    media = await services.media.existing(call.ctx, call.id)
    return await picture(call, media.file_id)


async def thumbnail(call: Call[Query, None]) -> web.StreamResponse:
    """Return an image made small: at most 400 pixels wide and high, as WebP."""
    media = await services.media.existing(call.ctx, call.id)
    return await picture(call, media.thumbnail_id)


async def picture(call: Call[Query, None], blob_id: int) -> web.StreamResponse:
    """Send one of an image's two files. Its bytes never change, so its id names them; who may see it is asked each time."""
    headers = VARY | caching(call.ctx) | {hdrs.ETAG: f'"{blob_id}"'}
    if any(known.value in {str(blob_id), "*"} for known in call.request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    blob = await services.media.bytes_of(call.ctx, blob_id)
    return await sent(call.request, call.ctx, blob, headers | SHOWN_ALONE)


MISSING = ("NOT_FOUND",)

ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        "POST",
        "/media",
        "uploadMedia",
        upload,
        Upload,
        MediaResource,
        status=201,
        needs_session=True,
        takes_files=TYPES,
        is_long=True,
        problems=("IMAGE_INVALID", "IMAGE_TOO_LARGE"),
        headers=("Location",),
    ),
    Route("GET", "/media/{id}", "getMedia", get, Query, MediaResource, problems=MISSING),
    Route("GET", "/media/{id}/file", "getMediaFile", file, Query, None, gives_files=TYPES[:3], is_long=True, problems=MISSING),
    Route(
        "GET",
        "/media/{id}/thumbnail",
        "getMediaThumbnail",
        thumbnail,
        Query,
        None,
        gives_files=("image/webp",),
        is_long=True,
        problems=MISSING,
    ),
)
