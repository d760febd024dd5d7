"""A GraphQL request's parameters, checked one by one: what every way of asking has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.transports.errors import RequestError


@dataclass(frozen=True, slots=True)
class Parameters:
    """One request as the GraphQL-over-HTTP specification names its parts."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


def parameters_of(request: object) -> Parameters:
    """Return the parameters of a decoded request; null equals absent, unknown ones are ignored.

    Raises:
        RequestError: the request is not an object, or a parameter has a wrong type.
    """
    if isinstance(request, list):
        raise RequestError("BAD_REQUEST", "Batched requests are not supported: send one operation a request.")
    if not isinstance(request, Mapping):
        raise RequestError("BAD_REQUEST", "The request must be a JSON object with the key query.")
    query = request.get("query")
    if query is None or query == "":
        raise RequestError("BAD_REQUEST", "The request has no query: send a GraphQL document under that key.")
    if not isinstance(query, str):
        raise RequestError("BAD_REQUEST", "query must be a string.")
    name = request.get("operationName")
    if name is not None and not isinstance(name, str):
        raise RequestError("BAD_REQUEST", "operationName must be a string.")
    return Parameters(query, name or None, optional_map(request, "variables"), optional_map(request, "extensions"))


def optional_map(request: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """Return a parameter that is an object or absent.

    Raises:
        RequestError: it is something else.
    """
    value = request.get(key)
    if value is not None and not isinstance(value, dict):
        raise RequestError("BAD_REQUEST", f"{key} must be a JSON object.")
    return value
