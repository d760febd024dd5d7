"""Slow work as resources: accepted with 202, watched by asking again, stopped by DELETE."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import hdrs, web
from pydantic import Field
from typing_extensions import TypedDict

from app import services
from app.domain.models import Job, JobState
from app.services.context import RequestContext
from app.transports.exchange import body_chunks
from app.transports.resources import JobResource, job_resource, result_url
from app.transports.rest.answers import VARY
from app.transports.rest.declaring import PREFER, PREFERENCE_APPLIED, PREFIX, Body, Call, Query, Reply, Route
from app.transports.rest.files import sent
from app.transports.rest.pages import Paged, list_route, listed

WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,6})\"?", re.ASCII)
LONGEST_WAIT_S = 20
ASK_AGAIN_S = "1"
ARCHIVES = ("application/zip", "application/gzip", "application/octet-stream")


class JobPage(Paged):
    """A page of jobs."""

    def most_objects(self, limits: Any) -> int:
        """Return how many resources the page brings."""
        return self.most_rows(limits)


class Password(Body):
    """What proves that an account is one's own."""

    password: Annotated[str, Field(description="The account's password, once more.")]


class SkippedEntry(TypedDict):
    """An entry that was not imported."""

    id: str
    reason: str


class ImageReport(TypedDict):
    """What became of the attachments of an archive's posts."""

    imported: int
    skipped: Annotated[dict[str, int], Field(description="How many were not imported, by the reason.")]


class ImportReport(TypedDict):
    """What became of an archive's entries."""

    entries: int
    imported: int
    skipped: Annotated[dict[str, int], Field(description="How many were not imported, by the reason.")]
    examples: list[SkippedEntry]
    images: ImageReport


async def get(call: Call[Query, None]) -> Reply:
    """Return a job of the viewer's: Retry-After says when to ask again, a Link at its end leads to its result."""
    return shown(await services.jobs.existing(call.ctx, call.id))


async def page(call: Call[JobPage, None]) -> Reply:
    """Return the viewer's jobs, newest first."""
    ctx = call.ctx
    return await listed(call, services.jobs.order(ctx), lambda wished: services.jobs.mine(ctx, wished), jobs_shown)


async def jobs_shown(jobs: Sequence[Job]) -> list[JobResource]:
    """Return jobs as JSON."""
    return [job_resource(job) for job in jobs]


async def cancel(call: Call[Query, None]) -> Reply:
    """Stop a job of the viewer's; one that has ended stays as it is."""
    return shown(await services.jobs.cancel(call.ctx, call.id))


async def export(call: Call[Query, None]) -> Reply:
    """Ask for all data of the viewer, as JSON Lines and CSV in a zip that can be fetched once."""
    return await accepted(call, await services.exports.request(call.ctx))


async def import_archive(call: Call[Query, None]) -> Reply:
    """Import an archive of posts: the body is a .zip or a .tar.gz as Mastodon exports it."""
    chunks = body_chunks(call.request, most=call.ctx.settings.max_upload_bytes)
    return await accepted(call, await services.imports.request(call.ctx, chunks))


async def delete_account(call: Call[Query, Password]) -> Reply:
    """Delete the viewer's account with all that belongs to it; nothing stops that."""
    return await accepted(call, await services.accounts.request_deletion(call.ctx, call.body.password))


async def result(call: Call[Query, None]) -> Reply | web.StreamResponse:
    """Return what a job made: an export's zip, once; of another job, its report."""
    job = await services.jobs.existing(call.ctx, call.id)
    if job.kind == services.jobs.EXPORT:
        return await download(call.request, call.ctx, job)
    return Reply(services.jobs.report(job))


async def download(request: web.Request, ctx: RequestContext, job: Job) -> web.StreamResponse:
    """Send an export piece after piece; it goes when the last one was sent."""
    headers = VARY | {hdrs.CACHE_CONTROL: "no-store"}
    headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="feedgraph-{job.id}.zip"'
    async with services.exports.fetching(ctx, job) as fetch:
        response = await sent(request, ctx, fetch.blob, headers)
        fetch.is_complete = request.method == hdrs.METH_GET  # who only asks for the head fetches nothing
    return response


async def accepted(call: Call[Any, Any], job: Job) -> Reply:
    """Answer a request that made a job: 202 and where to ask, or its end where the client waits for it (RFC 7240)."""
    preferences = ",".join(call.request.headers.getall(PREFER, ()))
    applied = ["respond-async"] if "respond-async" in preferences.lower() else []
    if wait := WAIT.search(preferences):
        wait_s = min(int(wait[1]), LONGEST_WAIT_S)
        applied.append(f"wait={wait_s}")
        job = await services.jobs.ended(call.ctx, job.id, within_s=wait_s)
    headers = {hdrs.LOCATION: f"{PREFIX}/jobs/{job.id}"} | ({PREFERENCE_APPLIED: ", ".join(applied)} if applied else {})
    return shown(job, headers)


def shown(job: Job, headers: dict[str, str] | None = None) -> Reply:
    """Answer with a job, and what to do next."""
    sent = dict(headers or {})
    if not job.has_ended:
        sent[hdrs.RETRY_AFTER] = ASK_AGAIN_S
    elif job.state is JobState.SUCCEEDED and (url := result_url(job)):
        sent[hdrs.LINK] = f'<{url}>; rel="result"'
    return Reply(job_resource(job), sent, 200 if job.has_ended or headers is None else 202)


ACCEPTED: dict[str, Any] = {
    "status": 202,
    "needs_session": True,
    "is_long": True,  # who wishes waits
    "headers": ("Location", "Retry-After", PREFERENCE_APPLIED, "Link"),
}
ROUTES: tuple[Route[Any, Any], ...] = (
    list_route("/jobs", "listJobs", page, JobPage, JobResource, needs_session=True),
    Route("GET", "/jobs/{id}", "getJob", get, Query, JobResource, needs_session=True, problems=("NOT_FOUND",)),
    Route(
        "DELETE", "/jobs/{id}", "cancelJob", cancel, Query, JobResource, needs_session=True, problems=("NOT_FOUND", "CONFLICT")
    ),
    Route(
        "GET",
        "/jobs/{id}/result",
        "getJobResult",
        result,
        Query,
        ImportReport,
        needs_session=True,
        is_long=True,
        gives_files=("application/zip",),
        problems=("NOT_FOUND", "CONFLICT", "GONE"),
    ),
    Route("POST", "/exports", "requestExport", export, Query, JobResource, **ACCEPTED),
    Route("POST", "/imports", "importArchive", import_archive, Query, JobResource, **ACCEPTED, takes_files=ARCHIVES),
    Route(
        "POST",
        "/account-deletions",
        "deleteAccount",
        delete_account,
        Query,
        JobResource,
        Password,
        **ACCEPTED,
        problems=("FORBIDDEN",),
    ),
)
