"""What an address of the REST face declares: its routing, its validation and its part of the OpenAPI document come from it.

A noun's file has a tuple of routes. A route names the types of what comes in (query string, body) and of what goes out; its
handler is a function from a `Call`, in which everything is parsed already, to a `Reply`. The first line of the handler's
docstring is the operation's summary in the document.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Generic, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from app.services.context import RequestContext
from app.settings import Settings

PREFIX = "/api/v1"
PREFER, PREFERENCE_APPLIED = "Prefer", "Preference-Applied"  # RFC 7240
WRITE_POINTS = 10  # as a mutation weighs in GraphQL


class Query(BaseModel):
    """What an address reads from its query string; what it does not know, it leaves alone."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    def most_objects(self, _limits: Settings) -> int:
        """Return how many resources the answer may hold at most: that is what it costs."""
        return 1


class Body(BaseModel):
    """What an address reads from a JSON body: types are taken strictly, what is not known is left alone."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, strict=True)


AnyQuery = TypeVar("AnyQuery", bound=Query)
AnyBody = TypeVar("AnyBody", bound=Body | None)


@dataclass(frozen=True, slots=True)
class Call(Generic[AnyQuery, AnyBody]):
    """One request to an address, parsed."""

    ctx: RequestContext
    request: web.Request
    id: int  # of the path; 0 where the path has none
    query: AnyQuery
    body: AnyBody


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: a JSON value (None: no body), and headers of its own."""

    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None  # where it is not the route's usual one


@dataclass(frozen=True, slots=True)
class Route(Generic[AnyQuery, AnyBody]):
    """One method of one address.

    `answers` is the type of the body, None where there is none; `problems` are the codes that this route has beyond those that
    all have; `headers` are the response's own. A handler that returns a response instead of a reply has made all of it.
    """

    method: str
    path: str  # behind the prefix; its only variable is {id}
    name: str  # the operation's name in the document
    handler: Callable[[Call[AnyQuery, AnyBody]], Awaitable[Reply | web.StreamResponse]]
    query: type[AnyQuery]
    answers: Any
    body: type[AnyBody] | None = None
    _: KW_ONLY
    status: int = 200
    needs_session: bool = False
    takes_key: bool = False  # the header Idempotency-Key
    takes_files: tuple[str, ...] = ()  # media types of a body that the handler reads by itself, as it arrives
    gives_files: tuple[str, ...] = ()  # media types of answers that are no JSON
    is_long: bool = False  # no deadline: it goes on for as long as something moves
    is_live: bool = False  # it waits for what happens, and is admitted and paid by event
    problems: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    @property
    def is_read(self) -> bool:
        """Say whether it changes nothing."""
        return self.method == hdrs.METH_GET

    @property
    def own_points(self) -> int:
        """Points that a request costs, whatever it answers."""
        return 1 if self.is_read else WRITE_POINTS
