"""The request: who asks, with what, and what it has cost so far."""

import math
from dataclasses import dataclass, field
from typing import Any

from app.domain.budgets import Caller, Charge
from app.domain.errors import Unauthenticated
from app.domain.events import EventCursor
from app.domain.models import Viewer
from app.infra.database import Counts, Database
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


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request, or one event of a subscription; every service takes it first, named `ctx`.

    Loaders live exactly as long: what one viewer may see is never remembered for another.
    """

    resources: Resources
    viewer: Viewer | None = None
    address: str = ""  # the caller's network address, for limits on anonymous callers
    counts: Counts = field(default_factory=Counts)
    charge: Charge | None = None  # what the operation costs, from when it is admitted
    wants_cost: bool = False  # show the charge in the answer
    is_dry_run: bool = False  # explain the cost and run nothing
    wished_s: float = math.inf  # in how many seconds the caller wants to be answered, should the server have more time
    reads: Reads | None = None  # notes what is read, where the answer may be shared
    is_personal: bool = False  # somebody looked who the viewer is: what is read from now on is for the viewer alone
    db: Database = field(init=False)
    loaders: Loaders = field(init=False)
    event_cursor: EventCursor = field(init=False)  # the log's head before anything is read: listening from here leaves no hole

    def __post_init__(self) -> None:
        self.db = self.resources.db.counted(self.counts)
        self.loaders = Loaders(self)
        self.event_cursor = self.resources.tail.cursor

    @property
    def settings(self) -> Settings:
        """The limits in force."""
        return self.resources.settings

    @property
    def caller(self) -> Caller:
        """Who pays for the request."""
        return self.resources.budgets.caller(self.viewer, self.address)

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
