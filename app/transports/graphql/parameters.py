"""A GraphQL request's parameters, checked one by one: what every way of asking has in common."""

from dataclasses import dataclass
from typing import Any, Final

from app.transports.errors import RequestError

KINDS: Final[dict[str, type]] = {
    "query": str,
    "operationName": str,
    "variables": dict,
    "extensions": dict,
    "documentId": str,
}  # the parameters, as JSON names and holds them


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
    query, name, variables, extensions, id_ = map(request.get, KINDS)
    for value, kind in zip((query, name, variables, extensions, id_), KINDS.values(), strict=True):
        if value is not None and type(value) is not kind:
            raise wrong_one(request)
    return Parameters(query or None, name or None, variables, extensions, id_ or None)  # the empty string equals absent


def wrong_one(request: dict[str, Any]) -> RequestError:
    """Return the error for the first parameter of a wrong type."""
    for key, kind in KINDS.items():
        if (value := request.get(key)) is not None and type(value) is not kind:
            return RequestError("BAD_REQUEST", f"{key} must be {'a string' if kind is str else 'a JSON object'}.")
    raise ValueError(request)
