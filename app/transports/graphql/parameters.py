"""A GraphQL request's parameters, checked one by one: what every way of asking has in common."""

from dataclasses import dataclass
from typing import Any

from app.transports.errors import RequestError


@dataclass(slots=True)
class Parameters:
    """One request as the GraphQL-over-HTTP specification names its parts."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None


def parameters_of(request: object) -> Parameters:
    """Return the parameters of a decoded request; null equals absent, unknown ones are ignored.

    Raises:
        RequestError: the request is not an object, or a parameter has a wrong type.
    """
    if isinstance(request, list):
        raise RequestError("BAD_REQUEST", "Batched requests are not supported: send one operation a request.")
    if not isinstance(request, dict):
        raise RequestError("BAD_REQUEST", "The request must be a JSON object with the key query.")
    return Parameters(
        optional_text(request, "query"),
        optional_text(request, "operationName"),
        optional_map(request, "variables"),
        optional_map(request, "extensions"),
        optional_text(request, "documentId"),
    )


def optional_text(request: dict[str, Any], key: str) -> str | None:
    """Return a parameter that is a string or absent; the empty string equals absent.

    Raises:
        RequestError: it is something else.
    """
    value = request.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError("BAD_REQUEST", f"{key} must be a string.")
    return value or None


def optional_map(request: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Return a parameter that is an object or absent.

    Raises:
        RequestError: it is something else.
    """
    value = request.get(key)
    if value is not None and not isinstance(value, dict):
        raise RequestError("BAD_REQUEST", f"{key} must be a JSON object.")
    return value
