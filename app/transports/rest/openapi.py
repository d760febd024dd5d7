"""The OpenAPI 3.1 document, made from the declared routes and the types that they name."""

import inspect
import re
from collections.abc import Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from app import __version__
from app.services.budgets import TOO_EXPENSIVE
from app.transports.errors import INTERNAL, ROWS
from app.transports.exchange import JSON_TYPE, TIMEOUT_HEADER
from app.transports.rest.answers import KEY_HEADER, PROBLEM_TYPE
from app.transports.rest.declaring import PREFER, PREFERENCE_APPLIED, PREFIX, Route
from app.transports.rest.reading import ID_SCHEMA
from app.transports.rest.schemas import Problem

Json = dict[str, Any]
Types = dict[Any, Json]  # by operation and mode

BINARY: Final[Json] = {"schema": {"type": "string", "format": "binary"}}
REFS: Final = "#/components/schemas/{model}"
ABOUT: Final = (
    "People, posts, follows, likes and home feeds: the same services, rules, ids, cursors and budgets as at /graphql. "
    "Reads may be asked for by HEAD, too (but for what waits for news), and every address tells its methods to OPTIONS."
)
PROBLEMS_OF_ALL: Final = (
    *(
        "BAD_REQUEST",
        "NODE_LIMIT",
        TOO_EXPENSIVE,
        "UNAUTHENTICATED",
        "URL_TOO_LONG",
        "BAD_USER_INPUT",
        "PAGE_SIZE",
    ),
    *("THROTTLED", "HEAD_TOO_LARGE", INTERNAL, "OVERLOADED", "UNAVAILABLE", "DEADLINE_EXCEEDED"),
)
PROBLEMS_OF_LONG: Final = ("TOO_MANY_OPERATIONS",)
PROBLEMS_OF_BODIES: Final = ("REQUEST_TIMEOUT", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")

HEADERS: Final[Json] = {
    "Link": ("The pages before and after this one (RFC 8288): rel=prev, rel=next.", "string"),
    "Location": ("The address of what was made.", "string"),
    "Preference-Applied": ("What of the header Prefer was done: respond-async, wait=seconds.", "string"),
    "ETag": ("Names this answer: send it back as If-None-Match.", "string"),
    "Cache-Control": ("Who may keep the answer.", "string"),
    "RateLimit": ("What the caller has left: r points, full again in t seconds.", "string"),
    "RateLimit-Policy": ("The caller's bucket: q points, full after w seconds.", "string"),
    "Retry-After": ("Seconds to wait.", "integer"),
    "Feedgraph-Cursor": ("The place in the log to go on from: hand it back as after.", "string"),
}


class Plain(GenerateJsonSchema):
    """Schemas without titles made up from names, and without defaults that only mean "not given"."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Say that none needs one."""
        return False

    def default_schema(self, schema: Any) -> Json:
        """Return the schema of a field that may be left out."""
        shown = super().default_schema(schema)
        return {name: value for name, value in shown.items() if name != "default" or value not in (None, "", [])}


@cache
def document(routes: Sequence[Route[Any, Any]]) -> bytes:
    """Return the document of these routes as JSON."""
    types: list[tuple[str, str, Any]] = [("problem", "serialization", Problem)]
    for route in routes:
        types += [(route.name, "serialization", route.answers)] if route.answers else []
        types += [(route.name, "validation", route.body)] if route.body else []
    inputs = [(name, mode, TypeAdapter(type_)) for name, mode, type_ in types]
    found, definitions = TypeAdapter.json_schemas(inputs, ref_template=REFS, schema_generator=Plain)  # type: ignore[arg-type]
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation(route, found)
    return orjson.dumps(
        {
            "openapi": "3.1.1",
            "info": {"title": "feedgraph", "version": __version__, "description": ABOUT},
            "servers": [{"url": "/"}],
            "tags": [{"name": tag} for tag in dict.fromkeys(map(tag_of, routes))],
            "paths": paths,
            "components": {
                "schemas": definitions["$defs"],
                "headers": {name: header(*about) for name, about in HEADERS.items()},
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A token of POST /sessions."}},
            },
        }
    )


def header(description: str, type_: str) -> Json:
    """Return a response header's description."""
    return {"description": description, "schema": {"type": type_}}


def tag_of(route: Route[Any, Any]) -> str:
    """Return the noun of a route: the name of the file that declares it."""
    return str(route.handler.__module__).rpartition(".")[2]


def operation(route: Route[Any, Any], types: Types) -> Json:
    """Return what the document says of one route."""
    needs: list[Json] = [{"bearer": []}]
    told: Json = {
        "operationId": route.name,
        "summary": (inspect.getdoc(route.handler) or "").splitlines()[0].rstrip("."),
        "tags": [tag_of(route)],
        "parameters": parameters(route),
        "responses": responses(route, types),
        "security": needs if route.needs_session else [{}, *needs],
    }
    if route.body:
        told["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": types[route.name, "validation"]}}}
    if route.takes_files:
        told["requestBody"] = {"required": True, "content": dict.fromkeys(route.takes_files, BINARY)}
    return told


def parameters(route: Route[Any, Any]) -> list[Json]:
    """Return what a request may say in its path, its query string and its headers."""
    found = [{"name": name, "in": "path", "required": True, "schema": ID_SCHEMA} for name in re.findall(r"{(\w+)}", route.path)]
    asked = route.query.model_json_schema(schema_generator=Plain)
    needed = asked.get("required", ())
    for name, schema in asked.get("properties", {}).items():
        found.append(query_parameter(name, schema, is_needed=name in needed))
    if not route.is_long:
        told_of = "Seconds; a deadline shorter than the server's."
        found.append(header_parameter(TIMEOUT_HEADER, {"type": "number", "minimum": 0.001}, told_of))
    if route.is_read:
        found.append(header_parameter("If-None-Match", {"type": "string"}, "The ETag of an answer that you have."))
    if route.is_live:
        found.append(header_parameter("Last-Event-ID", {"type": "string"}, "As after; of the two, the later one counts."))
    elif PREFERENCE_APPLIED in route.headers:
        told_of = "respond-async, and wait=N to wait at most N seconds (20 at most) for its end (RFC 7240)."
        found.append(header_parameter(PREFER, {"type": "string"}, told_of))
    if route.takes_key:
        text = "Any text of yours, at most 200 characters: a second request with it does nothing new, for 24 hours."
        found.append(header_parameter(KEY_HEADER, {"type": "string", "minLength": 1, "maxLength": 200}, text))
    return found


def query_parameter(name: str, schema: Json, *, is_needed: bool) -> Json:
    """Return what the document says of a part of the query string, which can be absent and cannot be null."""
    schema = dict(schema)
    description = schema.pop("description", "")
    if "anyOf" in schema:
        [own] = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
        schema |= own
    told = {"name": name, "in": "query", "required": is_needed, "description": description, "schema": schema}
    return told | ({"style": "form", "explode": False} if schema.get("type") == "array" else {})


def header_parameter(name: str, schema: Json, description: str) -> Json:
    """Return what the document says of a request's header."""
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def responses(route: Route[Any, Any], types: Types) -> Json:
    """Return everything that a request may be answered with, by status."""
    paid = () if route.is_live else ("RateLimit", "RateLimit-Policy")
    headers = [*route.headers, *paid, *(("ETag", "Cache-Control") if route.is_read else ())]
    good: Json = {"description": HTTPStatus(route.status).phrase, "headers": refs(headers)}
    if route.answers:
        good["content"] = {JSON_TYPE: {"schema": types[route.name, "serialization"]}}
    if route.gives_files:
        good["content"] = good.get("content", {}) | dict.fromkeys(route.gives_files, BINARY)
    told = {str(route.status): good}
    if route.is_live:
        told["204"] = {"description": "Nothing happened while the poll waited.", "headers": refs(route.headers)}
    elif PREFERENCE_APPLIED in route.headers:
        told["200"] = good | {"description": "It ended while the client waited for it."}
    if route.is_read:
        told["304"] = {"description": "What If-None-Match names is still the same.", "headers": refs(["ETag", "Cache-Control"])}
    codes = (
        *PROBLEMS_OF_ALL,
        *(PROBLEMS_OF_LONG if route.is_long else ()),
        *(PROBLEMS_OF_BODIES if route.body or route.takes_files else ()),
        *route.problems,
    )
    for status in sorted({ROWS[code].status for code in codes}):
        of_status = ", ".join(dict.fromkeys(code for code in codes if ROWS[code].status == status))
        told[str(status)] = {
            "description": of_status,
            "content": {PROBLEM_TYPE: {"schema": types["problem", "serialization"]}},
            "headers": refs(["Retry-After"] if status in {429, 503} else []),
        }
    return told


def refs(names: Iterable[str]) -> Json:
    """Return references to described headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
