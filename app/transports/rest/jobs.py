"""Jobs as resources: accepted with 202, watched by asking again, stopped by DELETE."""

import re
from typing import Any

from aiohttp import hdrs, web

from app import services
from app.domain.errors import InvalidInput
from app.domain.ids import parse_id
from app.domain.models import Job, JobState
from app.domain.times import wire_time
from app.services import exports
from app.services.context import RequestContext
from app.transports.exchange import authenticated, body_chunks, json_body, result_url, to_the_end
from app.transports.rest.answers import VARY, page_response, resource_response, wished_page, within

PREFER = "Prefer"
APPLIED = "Preference-Applied"
WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,6})\"?", re.ASCII)
LONGEST_WAIT_S = 20
ASK_AGAIN_S = "1"


def job_resource(job: Job) -> dict[str, Any]:
    """Return a job as JSON."""
    return {
        "jobId": str(job.id),
        "kind": job.kind,
        "state": job.state.upper(),
        "done": job.done,
        "total": job.total,
        "attempts": job.attempts,
        "errorCode": job.error_code,
        "resultUrl": result_url(job),
        "createdAt": wire_time(job.created_at),
        "finishedAt": wire_time(job.finished_at) if job.finished_at else None,
    }


async def get(request: web.Request) -> web.Response:
    """GET /jobs/{id}: with Retry-After while it runs, with a Link to its result at its end."""
    return shown(request, await services.jobs.existing(await authenticated(request), job_id(request)))


async def page(request: web.Request) -> web.Response:
    """GET /jobs: the viewer's jobs, newest first."""
    ctx = await authenticated(request)
    order = services.jobs.order(ctx)
    wished = wished_page(request, ctx, order)
    return page_response(request, order, wished, await services.jobs.mine(ctx, wished), job_resource)


async def cancel(request: web.Request) -> web.Response:
    """DELETE /jobs/{id}: stop it; one that has ended stays as it is."""
    ctx = await authenticated(request)
    return shown(request, await to_the_end(request, services.jobs.cancel(ctx, job_id(request))))


async def export(request: web.Request) -> web.Response:
    """POST /exports: ask for all data of the viewer."""
    ctx = await authenticated(request)
    job = await to_the_end(request, within(ctx.settings.mutation_timeout_s, exports.request(ctx)))
    return await accepted(request, ctx, job)


async def import_archive(request: web.Request) -> web.Response:
    """POST /imports: import the archive that is the body, a .zip or a .tar.gz of Mastodon's export."""
    ctx = await authenticated(request)
    ctx.signed_in()
    chunks = body_chunks(request, most=ctx.settings.max_upload_bytes)
    return await accepted(request, ctx, await services.imports.request(ctx, chunks))


async def delete_account(request: web.Request) -> web.Response:
    """POST /account-deletions: delete the viewer's account; the body has its password once more."""
    body = await json_body(request)
    password = body.get("password") if isinstance(body, dict) else None
    if not isinstance(password, str):
        raise InvalidInput("The body must be a JSON object with the key password, a string.", field="password")
    ctx = await authenticated(request)
    work = services.accounts.request_deletion(ctx, password)
    return await accepted(request, ctx, await to_the_end(request, within(ctx.settings.mutation_timeout_s, work)))


async def result(request: web.Request) -> web.StreamResponse:
    """GET /jobs/{id}/result: an export's zip, once; any other job's result as JSON."""
    ctx = await authenticated(request)
    job = await services.jobs.existing(ctx, job_id(request))
    if job.kind == services.jobs.EXPORT:
        return await download(request, ctx, job)
    return resource_response(request, services.jobs.report(job))


async def download(request: web.Request, ctx: RequestContext, job: Job) -> web.StreamResponse:
    """Send an export piece after piece; it goes when the last one was sent."""
    blob = await exports.taken(ctx, job)
    response = web.StreamResponse(headers=VARY | {hdrs.CACHE_CONTROL: "no-store"})
    response.content_type = blob.media_type
    response.content_length = blob.size
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="feedgraph-{job.id}.zip"'
    is_complete = False
    try:
        await response.prepare(request)
        async for piece in services.blobs.read(ctx.resources.db, blob.id):
            await response.write(piece)
        await response.write_eof()
        is_complete = True
    finally:
        if not is_complete and request.transport is not None:
            request.transport.abort()  # a body that is too short must not look like one that is only slow
        await to_the_end(request, exports.fetched(ctx, blob, is_complete=is_complete))
    return response


async def accepted(request: web.Request, ctx: RequestContext, job: Job) -> web.Response:
    """Answer a request that made a job: 202 and where to ask, or its end where the client waits for it (RFC 7240)."""
    preferences = ",".join(request.headers.getall(PREFER, ()))
    applied = ["respond-async"] if "respond-async" in preferences.lower() else []
    if wait := WAIT.search(preferences):
        wait_s = min(int(wait[1]), LONGEST_WAIT_S)
        applied.append(f"wait={wait_s}")
        job = await services.jobs.ended(ctx, job.id, within_s=wait_s)
    headers = {hdrs.LOCATION: f"/api/v1/jobs/{job.id}"} | ({APPLIED: ", ".join(applied)} if applied else {})
    return shown(request, job, status=200 if job.has_ended else 202, headers=headers)


def shown(request: web.Request, job: Job, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with a job, and what to do next."""
    sent = dict(headers or {})
    if not job.has_ended:
        sent[hdrs.RETRY_AFTER] = ASK_AGAIN_S
    elif job.state is JobState.SUCCEEDED and (url := result_url(job)):
        sent[hdrs.LINK] = f'<{url}>; rel="result"'
    return resource_response(request, job_resource(job), status=status, headers=sent)


def job_id(request: web.Request) -> int:
    """Return the id in the path.

    Raises:
        InvalidInput: it is none.
    """
    return parse_id(request.match_info["id"])
