"""The gRPC client: it learns from the server's reflection what to call, and fills a screen with as few calls as there are."""

import asyncio
import os
import re
import socket
import stat
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from app.bench.screens import PERSON_FIELDS, POST_FIELDS, POSTS, PROFILE_FIELDS, REPLIES, Screen, Target
from app.bench.wire import COUNTS_HEADER, REQUEST_TIMEOUT_S, CannotMeasure, Traffic, counts_in

SERVICES = ("UserService", "PostService", "FeedService")
COUNTS_KEY = COUNTS_HEADER.lower()
BYTES_RECEIVED, BYTES_SENT = 128, 200  # offsets in struct tcp_info of linux/tcp.h, in bytes


class GrpcWire:
    """One client's connection to the server. `traffic` may be replaced at any time to count anew.

    Raises from every call:
        CannotMeasure: the server cannot be reached, or refuses the call.
    """

    def __init__(self, channel: grpc.aio.Channel, services: dict[str, ServiceDescriptor], meter: "Meter") -> None:
        self._channel = channel
        self._services = services
        self._meter = meter
        self.token: str | None = None
        self.asks_counts = False
        self.traffic = Traffic()

    async def call(self, service: str, method: str, **request: Any) -> Any:
        """Return the response to one call; the request's fields are named as in JSON."""
        described: MethodDescriptor = self._services[service].methods_by_name[method]
        message = ParseDict(request, GetMessageClass(described.input_type)())
        metadata = [("authorization", f"Bearer {self.token}")] if self.token is not None else []
        metadata += [(COUNTS_KEY, "1")] if self.asks_counts else []
        ask: Any = self._channel.unary_unary(f"/{service}/{method}")
        running = ask(message.SerializeToString(), metadata=metadata, timeout=REQUEST_TIMEOUT_S)
        try:
            body = await running
        except grpc.aio.AioRpcError as error:
            complaint = (error.details() or "nothing").rstrip(".")
            raise CannotMeasure(f"{service}.{method} answered {error.code().name}: {complaint}.") from error
        self._count(body, {key: value for key, value in await running.trailing_metadata()})
        return GetMessageClass(described.output_type).FromString(body)

    def _count(self, body: bytes, trailers: dict[str, Any]) -> None:
        counts = counts_in(str(trailers.get(COUNTS_KEY, "")))
        self.traffic.requests += 1
        self.traffic.body_bytes += len(body)
        self.traffic.statements += counts.get("statements", 0)
        self.traffic.rows += counts.get("rows", 0)
        sent, received = self._meter.read()
        self.traffic.sent_bytes += sent
        self.traffic.received_bytes += received


class Meter:
    """What passes through this process's connection to an address, as the kernel counts it: gRPC gives no place to look."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = connection_to(host, port)
        self._sent, self._received = self._totals()

    def read(self) -> tuple[int, int]:
        """Return the bytes that were sent and received since the last reading."""
        before = self._sent, self._received
        self._sent, self._received = self._totals()
        return self._sent - before[0], self._received - before[1]

    def close(self) -> None:
        """Let go of the connection, which stays open."""
        self._connection.close()

    def _totals(self) -> tuple[int, int]:
        information = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        (received,), (sent,) = (struct.unpack_from("=Q", information, offset) for offset in (BYTES_RECEIVED, BYTES_SENT))
        return sent, received


def connection_to(host: str, port: int) -> socket.socket:
    """Return another handle of the newest socket that this process has connected to an address.

    Raises:
        CannotMeasure: there is none.
    """
    for descriptor in sorted(map(int, os.listdir("/proc/self/fd")), reverse=True):
        with suppress(OSError):  # it is closed by now, or has no peer
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                handle = socket.socket(fileno=os.dup(descriptor))
                if peer_of(handle) == (host, port):
                    return handle
                handle.close()
    raise CannotMeasure(f"The bytes of gRPC cannot be counted: there is no connection to {host} port {port}.")


def peer_of(connection: socket.socket) -> tuple[str, int] | None:
    """Return the address at the other end; gRPC reaches IPv4 through sockets of IPv6, which write it as ::ffff:127.0.0.1."""
    try:
        name = connection.getpeername()
    except OSError:
        return None
    is_internet = connection.family in {socket.AF_INET, socket.AF_INET6}
    return (str(name[0]).removeprefix("::ffff:"), int(name[1])) if is_internet else None


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[GrpcWire]:
    """Give a wire to the server that listens for gRPC at `address` (host:port); its connection is kept open until the end.

    Raises:
        CannotMeasure: there is none, or it does not describe itself.
    """
    try:
        host, port = resolved(address)
        services = await asyncio.to_thread(described, address)
    except (OSError, ValueError, KeyError, grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise CannotMeasure(f"No gRPC server describes itself at {address!r}: start one, or give its address.") from error
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        await channel.channel_ready()
        meter = Meter(host, port)
        try:
            yield GrpcWire(channel, services, meter)
        finally:
            meter.close()


def resolved(address: str) -> tuple[str, int]:
    """Return the numeric host and the port of host:port; ValueError or OSError where it has none."""
    host, port = address.rsplit(":", 1)
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0][4]
    return str(found[0]), int(found[1])


def described(address: str) -> dict[str, ServiceDescriptor]:
    """Return the services, as the server's reflection describes them."""
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=REQUEST_TIMEOUT_S)
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        return {name: pool.FindServiceByName(name) for name in SERVICES}


async def grpc_calls(wire: GrpcWire, screen: Screen, target: Target) -> tuple[Any, int]:
    """Assemble the screen with as few calls as there are, siblings at the same time; return it with the chain's length."""
    return await ASSEMBLED[screen.name](wire, target)


async def profile(wire: GrpcWire, target: Target) -> tuple[Any, int]:
    """Assemble a user with their posts: two calls at the same time."""
    user, found = await asyncio.gather(
        wire.call("UserService", "GetUser", userId=target.user_id),
        wire.call("PostService", "GetPostsForUser", userId=target.user_id, page={"first": POSTS}, withAuthor=True),
    )
    return {"user": {**chosen(user, PROFILE_FIELDS), "posts": [dressed(post) for post in found.posts]}}, 1


async def home(wire: GrpcWire, _target: Target) -> tuple[Any, int]:
    """Assemble the first page of the home feed: the posts, then the replies to all of them."""
    found = await wire.call("FeedService", "GetHomeFeed", page={"first": POSTS}, withAuthor=True)
    return {"feed": {"nodes": await with_replies(wire, found.posts)}}, 2


async def thread(wire: GrpcWire, target: Target) -> tuple[Any, int]:
    """Assemble a post with two levels of replies: the post and its replies, then the replies to these."""
    post, found = await asyncio.gather(
        wire.call("PostService", "GetPost", postId=target.post_id, withAuthor=True),
        replies_to(wire, [target.post_id], POSTS),
    )
    return {"post": {**dressed(post), "replies": await with_replies(wire, found[0])}}, 2


ASSEMBLED = {"profile": profile, "home feed": home, "thread": thread}


async def with_replies(wire: GrpcWire, posts: Sequence[Any]) -> list[dict[str, Any]]:
    """Return posts as the screen shows them, with some replies to each."""
    lists = await replies_to(wire, [post.post_id for post in posts], REPLIES)
    return [
        {**dressed(post), "replies": [dressed(reply) for reply in replies]} for post, replies in zip(posts, lists, strict=True)
    ]


async def replies_to(wire: GrpcWire, post_ids: list[str], size: int) -> list[Sequence[Any]]:
    """Return the replies to each post. One call."""
    batch = await wire.call("PostService", "GetReplies", postIds=post_ids, page={"first": size}, withAuthor=True)
    return [entry.replies.posts for entry in batch.entries]


def dressed(post: Any) -> dict[str, Any]:
    """Return a post as the screen shows it: with its author."""
    return {**chosen(post, POST_FIELDS), "author": chosen(post.author, PERSON_FIELDS)}


def chosen(message: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the fields of a message that a screen shows, under the names and in the forms that GraphQL has for them."""
    own_id = f"{message.DESCRIPTOR.name.lower()}_id"
    return {name: shown(message, own_id if name == "id" else snake(name)) for name in names}


def snake(name: str) -> str:
    """Return a name of JSON as protobuf writes it."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def shown(message: Any, field: str) -> Any:
    """Return a field's value as JSON has it; None where it is absent."""
    described = message.DESCRIPTOR.fields_by_name[field]
    if described.has_presence and not message.HasField(field):
        return None
    value = getattr(message, field)
    if described.message_type is not None and described.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
        return value.ToDatetime().isoformat(timespec="milliseconds") + "Z"
    return value
