"""JobService: slow work that was accepted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from google.protobuf.empty_pb2 import Empty

from app import services
from app.domain.events import EventCursor, Gap
from app.domain.ids import parse_id
from app.domain.models import Job
from app.services.context import RequestContext
from app.services.jobs import LiveJob
from app.transports.grpc.events import gap_message
from app.transports.grpc.files import Download, Upload
from app.transports.grpc.messages import page_info, timestamp
from app.transports.grpc.requests import wished_page
from app.transports.grpc.stubs import jobs_pb2
from app.transports.resources import result_url


async def get_job(ctx: RequestContext, request: jobs_pb2.JobRequest) -> jobs_pb2.Job:
    """Return one of the viewer's jobs."""
    return job_message(await services.jobs.existing(ctx, id_of(request)))


async def get_jobs(ctx: RequestContext, request: jobs_pb2.GetJobsRequest) -> jobs_pb2.JobList:
    """Return a page of the viewer's jobs, newest first."""
    order = services.jobs.order(ctx)
    found = await services.jobs.mine(ctx, wished_page(ctx, order, request.page))
    return jobs_pb2.JobList(jobs=[job_message(job) for job in found.rows], page_info=page_info(order, found))


async def request_export(ctx: RequestContext, _request: Empty) -> jobs_pb2.Job:
    """Ask for all data of the viewer."""
    return job_message(await services.exports.request(ctx))


async def import_archive(ctx: RequestContext, file: Upload) -> jobs_pb2.Job:
    """Take an archive in and accept its import."""
    return job_message(await services.imports.request(ctx, file.chunks(ctx.settings.max_upload_bytes)))


@asynccontextmanager
async def fetch_result(ctx: RequestContext, request: jobs_pb2.JobRequest) -> AsyncIterator[Download]:
    """Give what a job made: an export's zip, once; of another job, its report."""
    job = await services.jobs.existing(ctx, id_of(request))
    if job.kind == services.jobs.EXPORT:
        async with services.exports.fetching(ctx, job) as fetch:
            yield Download(fetch.blob.media_type, fetch.blob.size, services.blobs.read(ctx.resources.db, fetch.blob.id))
            fetch.is_complete = True
    else:
        report = orjson.dumps(services.jobs.report(job))
        yield Download("application/json", len(report), in_one_piece(report))


async def in_one_piece(value: bytes) -> AsyncIterator[bytes]:
    """Give a value at once."""
    yield value


async def delete_account(ctx: RequestContext, request: jobs_pb2.DeleteAccountRequest) -> jobs_pb2.Job:
    """Delete the viewer's account."""
    return job_message(await services.accounts.request_deletion(ctx, request.password))


async def cancel_job(ctx: RequestContext, request: jobs_pb2.JobRequest) -> jobs_pb2.Job:
    """Stop a job of the viewer's."""
    return job_message(await services.jobs.cancel(ctx, id_of(request)))


class Watching:
    """One reader's view of a job."""

    def __init__(self, cursor: EventCursor, updates: AsyncIterator[LiveJob | Gap]) -> None:
        self.cursor = cursor
        self._updates = updates

    async def batch(self) -> list[jobs_pb2.JobUpdate] | None:
        """Wait for the job's next change; return it, or None where the job has ended."""
        update = await anext(self._updates, None)
        if update is None:
            return None
        self.cursor = update.end if isinstance(update, Gap) else update.cursor
        if isinstance(update, Gap):
            return [jobs_pb2.JobUpdate(cursor=str(update.end), gap=gap_message(update))]
        return [jobs_pb2.JobUpdate(cursor=str(update.cursor), job=job_message(update.job))]


async def follow_job(ctx: RequestContext, request: jobs_pb2.FollowJobRequest) -> Watching:
    """Return the view from which a reader watches a job of theirs.

    Raises:
        Unauthenticated: the call is anonymous.
        NotFound: there is no such job.
        CursorInvalid: the cursor is none, or lies in the future.
    """
    id_ = parse_id(request.job_id, field="job_id")
    await services.jobs.existing(ctx, id_)
    after = EventCursor.parse(request.after) if request.HasField("after") else None
    start = await services.updates.start(ctx, after)
    return Watching(start, services.jobs.followed(ctx, id_, after=after))


def id_of(request: jobs_pb2.JobRequest) -> int:
    """Return the id of the job that a request is about.

    Raises:
        InvalidInput: that is no id.
    """
    return parse_id(request.job_id, field="job_id")


def job_message(job: Job) -> jobs_pb2.Job:
    """Return a job as a message."""
    return jobs_pb2.Job(
        job_id=str(job.id),
        kind=job.kind,
        state=jobs_pb2.JobState.Value(f"JOB_{job.state.name}"),
        done=job.done,
        total=job.total,
        attempts=job.attempts,
        error_code=job.error_code,
        result_url=result_url(job),
        created_at=timestamp(job.created_at),
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
    )
