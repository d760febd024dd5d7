"""Files as answers: blobs that are sent a piece at a time."""

from aiohttp import hdrs, web
from aiohttp.typedefs import LooseHeaders

from app import services
from app.domain.models import Blob
from app.services.context import RequestContext
from app.transports.files import leave


async def sent(request: web.Request, ctx: RequestContext, blob: Blob, headers: LooseHeaders) -> web.StreamResponse:
    """Send a blob with these headers; who only asks for the head gets no more. Pieces are read as they go."""
    response = web.StreamResponse(headers=headers)
    response.content_type = blob.media_type
    response.content_length = blob.size
    is_complete = False
    try:
        await response.prepare(request)
        if request.method == hdrs.METH_GET:
            await leave(services.blobs.read(ctx.resources.db, blob.id), response.write, patience_s=ctx.settings.ws_stalled_s)
            await response.write_eof()
        is_complete = True
    finally:
        if not is_complete and request.transport is not None:
            request.transport.abort()  # a body that is too short must not look like one that is only slow
    return response
