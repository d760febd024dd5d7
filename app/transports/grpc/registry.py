"""The services of protos/ and the modules that answer them: a method GetPosts is the function get_posts."""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

from app.transports.grpc import events, feeds, follows, jobs, media, posts, sessions, users
from app.transports.grpc.calls import Face, unary
from app.transports.grpc.files import PARTS, download, upload
from app.transports.grpc.streams import stream
from app.transports.grpc.stubs import events_pb2, feeds_pb2, follows_pb2, jobs_pb2, media_pb2, posts_pb2, sessions_pb2, users_pb2

MODULES: Final[dict[ModuleType, FileDescriptor]] = {
    users: users_pb2.DESCRIPTOR,
    posts: posts_pb2.DESCRIPTOR,
    media: media_pb2.DESCRIPTOR,
    follows: follows_pb2.DESCRIPTOR,
    feeds: feeds_pb2.DESCRIPTOR,
    sessions: sessions_pb2.DESCRIPTOR,
    events: events_pb2.DESCRIPTOR,
    jobs: jobs_pb2.DESCRIPTOR,
}


def served() -> Iterator[tuple[ServiceDescriptor, ModuleType]]:
    """Give each service and the module that answers it."""
    for module, file in MODULES.items():
        for service in file.services_by_name.values():
            yield service, module


def handlers(face: Face) -> list[grpc.GenericRpcHandler]:
    """Return what answers all methods of all services; one that no function answers is an error at once."""
    return [
        grpc.method_handlers_generic_handler(
            service.full_name, {method.name: handler(face, method, module) for method in service.methods}
        )
        for service, module in served()
    ]


def handler(face: Face, method: Any, module: ModuleType) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers one method."""
    function = getattr(module, function_name(method.name))
    if method.client_streaming:
        return upload(face, method, function)
    if method.output_type is PARTS:
        return download(face, method, function)
    return stream(face, method, function) if method.server_streaming else unary(face, method, function)


def function_name(method: str) -> str:
    """Return the name of the function that answers a method."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", method).lower()
