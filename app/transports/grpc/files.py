"""Files as streams of parts: sent by a client until the part that it calls the last, fetched from us until the status.

gRPC's library ends the stream of a client that is gone as it ends that of one that is done. So what marks a whole file is in
the messages: one that breaks off before its last part is none.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from app.services.context import RequestContext
from app.transports.errors import RequestError
from app.transports.files import arriving, in_time, leave
from app.transports.grpc.calls import Call, Face, admitted, answered, metadata_of, trailers
from app.transports.grpc.requests import parsed, viewer_of
from app.transports.grpc.stubs import media_pb2

PARTS = media_pb2.FilePart.DESCRIPTOR  # a method that streams these sends a file


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sends: its first part, which may tell more of it, and its bytes, which are read once."""

    first: Any
    chunks: Callable[[int], AsyncIterator[bytes]]  # given how many bytes it may have


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a client fetches; `size` in bytes."""

    type: str
    size: int
    pieces: AsyncIterator[bytes]


Taking = Callable[[RequestContext, Upload], Awaitable[Message]]
Giving = Callable[[RequestContext, Any], AbstractAsyncContextManager[Download]]


def upload(face: Face, method: MethodDescriptor, work: Taking) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method that has a stream of parts and one response."""
    kind: type[Message] = GetMessageClass(method.input_type)

    async def handle(bodies: AsyncIterator[bytes], call: Call) -> bytes:
        message = b""
        async with answered(face, method, call) as ctx:
            message = await face.resources.to_the_end(answer(ctx, bodies, call))
            call.set_trailing_metadata(trailers(ctx, call, message))
        return message

    async def answer(ctx: RequestContext, bodies: AsyncIterator[bytes], call: Call) -> bytes:
        ctx.viewer = await viewer_of(ctx, metadata_of(call))
        patience_s = ctx.settings.body_timeout_s
        parts = arriving_parts(bodies, kind)
        async with admitted(ctx, Empty(), is_write=True, lasts=True) as admission:
            ctx.signed_in()
            first = await in_time(anext(parts), patience_s)
            file = Upload(first, lambda most: arriving(data_of(first, parts), most=most, patience_s=patience_s))
            admission.response = await work(ctx, file)
        return admission.response.SerializeToString()

    return grpc.stream_unary_rpc_method_handler(handle)


async def arriving_parts(bodies: AsyncIterator[bytes], kind: type[Message]) -> AsyncIterator[Any]:
    """Give the parts of a file, to its last one.

    Raises:
        RequestError: a part is none, or there is no last one.
    """
    async for body in bodies:
        part: Any = parsed(body, kind)
        yield part
        if part.is_last:
            return
    raise RequestError("BAD_REQUEST", "The file broke off: its last part must have is_last.")


async def data_of(first: Any, parts: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Give the bytes of parts, of which the first one was read already."""
    yield first.data
    async for part in parts:
        yield part.data


def download(face: Face, method: MethodDescriptor, work: Giving) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method that has one request and sends a file."""
    kind: type[Message] = GetMessageClass(method.input_type)

    async def handle(body: bytes, call: Call) -> None:
        async with answered(face, method, call) as ctx:
            request = parsed(body, kind)
            ctx.viewer = await viewer_of(ctx, metadata_of(call))
            async with admitted(ctx, request, is_write=False, lasts=True), work(ctx, request) as file:
                head: dict[str, Any] = {"type": file.type, "size": file.size}

                async def write(data: bytes) -> None:
                    await call.write(media_pb2.FilePart(data=data, **head).SerializeToString())
                    head.clear()

                await leave(file.pieces, write, patience_s=ctx.settings.ws_stalled_s)
            call.set_trailing_metadata(trailers(ctx, call, b""))

    return grpc.unary_stream_rpc_method_handler(handle)
