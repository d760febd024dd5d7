"""Whoever listens: one subscription of one client, whatever the wire."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from app.domain.budgets import Caller
from app.domain.events import EventCursor
from app.services.context import RequestContext
from app.transports.graphql.pipeline import Answer
from app.transports.realtime.news import Sendable

if TYPE_CHECKING:  # groups hold listeners
    from app.transports.realtime.groups import Group


class Watcher(Protocol):
    """A connection that is told when its viewer's session ends."""

    @property
    def ctx(self) -> RequestContext:
        """Whose connection it is."""

    def signed_out(self) -> None:
        """End it; returns at once."""


class Listener(ABC):
    """A position in the log, and a way to send what comes behind it. Thousands are idle: it is kept small."""

    __slots__ = ("caller", "cursor", "group", "is_over", "replaying", "viewer_id")

    def __init__(self, ctx: RequestContext, caller: Caller) -> None:
        self.viewer_id = ctx.viewer_id
        self.caller = caller  # who pays
        self.group: Group | None = None
        self.cursor = EventCursor(0, 0)  # what was sent last; what concerns it up to here has been seen
        self.is_over = False
        self.replaying: asyncio.Task[None] | None = None  # while it is not at the log's head

    @abstractmethod
    async def room(self) -> None:
        """Wait until there is room again.

        Raises:
            ConnectionError: the client is gone.
        """

    @abstractmethod
    def send(self, news: Sendable) -> bool:
        """Send answers unless the client does not read what it is sent; say whether they were sent. Never waits."""

    @abstractmethod
    def finish(self, refusal: Answer | None = None) -> None:
        """Say that the stream is over: it completed, or was refused."""

    @abstractmethod
    def break_off(self) -> None:
        """End the connection so that the client comes back later: we cannot go on."""
