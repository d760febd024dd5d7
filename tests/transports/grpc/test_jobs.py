"""JobService: a job is asked for, watched to its end over a stream that is complete then, and seen by its owner alone."""

from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpc import StatusCode, aio

from app.transports.grpc.stubs import jobs_pb2
from tests.grpc_calls import Stubs, refusal_of, signed

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


async def test_an_export_is_asked_for_watched_and_found_by_its_owner_alone(stubs: Stubs, server):
    ada, bob = await server.person(), await server.person()
    await ada.post("To be exported")
    as_ada: Any = {"metadata": signed(ada)}
    accepted = await stubs.jobs.RequestExport(Empty(), **as_ada)
    one = jobs_pb2.JobRequest(job_id=accepted.job_id)
    assert (accepted.kind, accepted.HasField("result_url")) == ("export", False)

    stream: Any = stubs.jobs.FollowJob(jobs_pb2.FollowJobRequest(job_id=accepted.job_id), **as_ada)
    updates = []
    while (update := await stream.read()) is not aio.EOF:
        updates.append(update)
    assert await stream.code() is StatusCode.OK
    last = updates[-1]
    assert (last.job.state, last.job.HasField("finished_at")) == (jobs_pb2.JOB_SUCCEEDED, True)
    assert last.job.result_url == f"/api/v1/jobs/{accepted.job_id}/result"
    assert last.cursor
    assert await stubs.jobs.GetJob(one, **as_ada) == last.job
    assert list((await stubs.jobs.GetJobs(jobs_pb2.GetJobsRequest(), **as_ada)).jobs) == [last.job]
    assert await stubs.jobs.CancelJob(one, **as_ada) == last.job

    for metadata, code in ((signed(bob), "NOT_FOUND"), (None, "UNAUTHENTICATED")):
        assert (await refusal_of(stubs.jobs.GetJob(one, metadata=metadata))).code == code
        refused: Any = stubs.jobs.FollowJob(jobs_pb2.FollowJobRequest(job_id=accepted.job_id), metadata=metadata)
        assert (await refusal_of(refused.read())).code == code
    farewell = jobs_pb2.DeleteAccountRequest(password="wrong")
    assert (await refusal_of(stubs.jobs.DeleteAccount(farewell, **as_ada))).code == "FORBIDDEN"
    assert (await refusal_of(stubs.jobs.GetJob(jobs_pb2.JobRequest(job_id="x"), **as_ada))).field == "job_id"
