"""How a problem looks on this wire: a status with the error model of google.rpc in its details."""

import re
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from app.transports.errors import ROWS, Problem

DOMAIN = "feedgraph"
DETAILS_KEY = "grpc-status-details-bin"

Trailers = tuple[tuple[str, str | bytes], ...]


def status_of(problem: Problem) -> grpc.StatusCode:
    """Return the status code of a problem."""
    return grpc.StatusCode[ROWS[problem.code].grpc_status]


def details_of(problem: Problem, request: Descriptor) -> Trailers:
    """Return the trailing metadata that tell a problem in full.

    Always an ErrorInfo, whose reason is the code that all faces share; a BadRequest with the field where one is to blame; a
    RetryInfo where waiting helps.
    """
    told = {name: str(value) for name, value in problem.details.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=problem.code, domain=DOMAIN, metadata=told)]
    if field := problem.details.get("field"):
        violation = error_details_pb2.BadRequest.FieldViolation(field=path_of(request, field), description=problem.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if (retry_after_s := problem.details.get("retryAfter")) is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after_s * 1000))
        details.append(retry)
    status = status_pb2.Status(code=code_number(status_of(problem)), message=problem.message, details=map(packed, details))
    return ((DETAILS_KEY, status.SerializeToString()),)


def packed(message: Message) -> AnyMessage:
    """Return a message as one of any kind."""
    wrapped = AnyMessage()
    wrapped.Pack(message)
    return wrapped


def code_number(code: grpc.StatusCode) -> int:
    """Return the number of a status code."""
    value: Any = code.value
    return int(value[0])


def path_of(request: Descriptor, field: str) -> str:
    """Return where in a request the field is that a service blames by its own name: `id` is user_id, `last` is page.last."""
    name = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", field).lower()
    for own in request.fields:
        if own.name == name or own.name.endswith(f"_{name}"):
            return own.name
        if own.message_type is not None and name in own.message_type.fields_by_name:
            return f"{own.name}.{name}"
    return name
