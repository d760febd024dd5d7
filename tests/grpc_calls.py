"""Calls of the gRPC face of a server under test, and what it refuses them with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2_grpc

from app.transports.grpc.stubs import (
    events_pb2_grpc,
    feeds_pb2_grpc,
    follows_pb2_grpc,
    jobs_pb2_grpc,
    media_pb2_grpc,
    posts_pb2_grpc,
    sessions_pb2_grpc,
    users_pb2_grpc,
)
from tests.clients import Person, TestServer

DETAILS = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)


class Stubs:
    """One channel and the stubs of every service."""

    def __init__(self, channel: aio.Channel) -> None:
        self.channel = channel
        self.users = users_pb2_grpc.UserServiceStub(channel)
        self.posts = posts_pb2_grpc.PostServiceStub(channel)
        self.media = media_pb2_grpc.MediaServiceStub(channel)
        self.follows = follows_pb2_grpc.FollowServiceStub(channel)
        self.feeds = feeds_pb2_grpc.FeedServiceStub(channel)
        self.sessions = sessions_pb2_grpc.SessionServiceStub(channel)
        self.jobs = jobs_pb2_grpc.JobServiceStub(channel)
        self.events = events_pb2_grpc.EventsStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)


def address_of(server: TestServer) -> str:
    """Return where a server listens for gRPC."""
    return server.running.resources.settings.grpc_address


@asynccontextmanager
async def connected(server: TestServer, *options: tuple[str, Any]) -> AsyncIterator[Stubs]:
    """Give stubs on a channel of their own."""
    own_connection = ("grpc.use_local_subchannel_pool", 1)
    async with aio.insecure_channel(address_of(server), options=[own_connection, *options]) as channel:
        yield Stubs(channel)


def signed(person: Person | None, **more: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that sign a call in; underscores in the names of others become hyphens."""
    others = tuple((name.replace("_", "-"), value) for name, value in more.items())
    return (("authorization", f"Bearer {person.token}"), *others) if person else others


@dataclass(frozen=True)
class Refusal:
    """The status that ended a call, with its details opened."""

    status: StatusCode
    message: str
    code: str  # ErrorInfo.reason
    info: dict[str, str]  # ErrorInfo.metadata
    field: str | None  # of the first violation of BadRequest
    retry_after_s: float | None  # RetryInfo
    metadata: dict[str, Any]


async def refusal_of(call: Any) -> Refusal:
    """Return what a call, or the next message of a stream, is refused with; it is an error if it is not."""
    try:
        answer = await call
    except aio.AioRpcError as error:
        return opened(error.code(), error.details() or "", error.trailing_metadata())
    raise AssertionError(f"not refused, but {answer}")


def opened(status: StatusCode, message: str, trailing: Any) -> Refusal:
    """Return a status with its details opened."""
    metadata = {key: value for key, value in trailing or ()}
    whole = status_pb2.Status.FromString(metadata.pop("grpc-status-details-bin", b""))
    found = {kind: kind() for kind in DETAILS}
    for detail in whole.details:
        for kind, message_ in found.items():
            detail.Unpack(message_) if detail.Is(kind.DESCRIPTOR) else None
    if whole.details:
        assert (whole.code, whole.message) == (status.value[0], message)
    info, bad, retry = (found[kind] for kind in DETAILS)
    fields = [violation.field for violation in bad.field_violations]
    wait = retry.retry_delay.ToMilliseconds() / 1000 or None
    return Refusal(status, message, info.reason, dict(info.metadata), fields[0] if fields else None, wait, metadata)


async def counted(call: Any) -> tuple[Any, int]:
    """Return what a call with the metadata `feedgraph-counts: 1` gives, and the statements it took."""
    answer = await call
    counts = {key: value for key, value in await call.trailing_metadata()}["feedgraph-counts"]
    return answer, int(counts.split("statements=")[1].split(",")[0])


async def parts_of(stream: Any) -> list[Any]:
    """Return all messages of a stream that ends with OK."""
    return [part async for part in stream]


async def read(stream: Any, number: int) -> list[Any]:
    """Return the next messages of a stream."""
    return [await stream.read() for _ in range(number)]
