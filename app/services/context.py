"""The request: who asks, with what, and what it has cost so far."""

import asyncio
import math
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.domain.budgets import Caller, Charge
from app.domain.errors import Unauthenticated
from app.domain.models import Viewer
from app.infra.database import Counts, Database, OneConnection
from app.infra.event_log import Relay, Tail
from app.infra.metrics import Metrics
from app.services.answers import Answers
from app.services.budgets import Budgets
from app.services.known_sessions import KnownSessions
from app.services.loaders import Loaders
from app.services.lookups import Lookups
from app.services.reads import Reads
from app.services.sightings import Sightings
from app.settings import Settings
from app.stores.attempts import Attempts
from app.stores.persisted import PersistedTexts

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Resources:
    """What all requests of a process share. Made once, by `wiring`."""

    settings: Settings
    db: Database
    tail: Tail
    relay: Relay
    attempts: Attempts
    persisted: PersistedTexts
    budgets: Budgets
    lookups: Lookups
    sessions: KnownSessions
    answers: Answers[Any]
    metrics: Metrics = field(default_factory=Metrics)
    sightings: Sightings = field(default_factory=Sightings)
    unfinished: set[asyncio.Task[Any]] = field(default_factory=set)  # writes that go on although their caller has left

    async def to_the_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a write to its end even if the caller leaves: a caller who comes back must not find half of what was asked."""
        task = asyncio.ensure_future(work)
        self.unfinished.add(task)
        task.add_done_callback(self.unfinished.discard)
        return await asyncio.shield(task)


class RequestContext:
    """One request, or one event of a subscription; every service takes it first, named `ctx`.

    Loaders live exactly as long: what one viewer may see is never remembered for another. What not every request needs is made
    when it is first asked for.
    """

    __slots__ = (
        "_caller",
        "_caller_of",
        "_db",
        "_keeps",
        "_kept_door",
        "_loaders",
        "address",
        "charge",
        "counts",
        "event_cursor",
        "is_dry_run",
        "is_personal",
        "reads",
        "resources",
        "settings",
        "viewer",
        "waits",
        "wants_cost",
        "wished_s",
    )

    def __init__(
        self, resources: Resources, viewer: Viewer | None = None, address: str = "", *, wants_cost: bool = False
    ) -> None:
        self.resources = resources
        self.settings = resources.settings  # the limits in force
        self.viewer = viewer
        self.address = address  # the caller's network address, for limits on anonymous callers
        self.counts = Counts()
        self.charge: Charge | None = None  # what the operation costs, from when it is admitted
        self.wants_cost = wants_cost  # show the charge in the answer
        self.is_dry_run = False  # explain the cost and run nothing
        self.wished_s = math.inf  # in how many seconds the caller wants to be answered, should the server have more time
        self.reads: Reads | None = None  # notes what is read, where the answer may be shared
        self.waits = False  # the answer waits for news on purpose: the time to it is no latency
        self.is_personal = False  # somebody looked who the viewer is: what is read from now on is for the viewer alone
        self.event_cursor = resources.tail.cursor  # the log's head before anything is read: listening from here leaves no hole
        self._caller: Caller | None = None
        self._caller_of: Viewer | None = None
        self._db: Database | None = None
        self._keeps = False  # statements go over one connection
        self._kept_door: OneConnection | None = None
        self._loaders: Loaders | None = None

    @property
    def db(self) -> Database:
        """The door to PostgreSQL; from `keep_connection` to `give_back_connection` one connection."""
        if self._kept_door is not None:
            return self._kept_door
        if self._db is None:
            self._db = self.resources.db.counted(self.counts)
        if not self._keeps:
            return self._db
        self._kept_door = self._db.on_one_connection()
        return self._kept_door

    @property
    def holds_connection(self) -> bool:
        """Say whether the request has a connection at hand. Whoever waits for others meanwhile keeps it from them."""
        return self._kept_door is not None and self._kept_door.holds_connection

    def keep_connection(self) -> None:
        """Send all statements from now on over one connection, taken when the first of them needs it."""
        self._keeps = True

    async def give_back_connection(self) -> None:
        """Let go of that connection, and of the batches of resolvers that may still use it."""
        door, self._kept_door, self._keeps = self._kept_door, None, False
        try:
            if self._loaders is not None and self._loaders.are_running:
                await self._loaders.stopped()
        finally:
            if door is not None:
                await door.give_back()

    @property
    def loaders(self) -> Loaders:
        """What batches the look-ups of resolvers."""
        if self._loaders is None:
            self._loaders = Loaders(self)
        return self._loaders

    def end(self) -> None:
        """Stop what still runs for this request."""
        if self._loaders is not None:
            self._loaders.stop()

    @property
    def caller(self) -> Caller:
        """Who pays for the request."""
        if self._caller is None or self._caller_of is not self.viewer:
            self._caller, self._caller_of = self.resources.budgets.caller(self.viewer, self.address), self.viewer
        return self._caller

    @property
    def viewer_id(self) -> int | None:
        """The viewer's user id, None when anonymous. Looking at it makes the answer personal."""
        self.is_personal = True
        return self.viewer.user_id if self.viewer else None

    @property
    def sees_as(self) -> int | None:
        """The viewer's user id, only to leave out what is hidden from them: every anonymous caller sees the same."""
        return self.viewer.user_id if self.viewer else None

    def signed_in(self) -> Viewer:
        """Return the viewer.

        Raises:
            Unauthenticated: the request is anonymous.
        """
        self.is_personal = True
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer

    def for_next_event(self) -> "RequestContext":
        """Return a context of the same viewer with nothing loaded yet."""
        return RequestContext(self.resources, self.viewer, self.address, wants_cost=self.wants_cost)
