"""A group of listeners at the log's head who hear the same: each event is executed once and sent to all of them."""

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from app.domain.budgets import Caller, Charge, Standing
from app.domain.errors import FeedgraphError, Throttled
from app.domain.events import EventCursor, Gap
from app.services.streams import Happening
from app.transports.graphql.subscriptions import Subscription, gap_payload, gone_payload, with_cost
from app.transports.realtime.listening import Listener
from app.transports.realtime.news import News

if TYPE_CHECKING:  # the hub holds groups
    from app.transports.realtime.hub import Hub

log = structlog.get_logger(__name__)

LONGEST_BACKLOG = 1_000  # events: a group that works more slowly than people write reads from the log instead
SENT_AT_A_TIME = 500  # others get a turn in between
LONGEST_KEPT = 100  # answers
OUTAGE_S = 10.0  # for so long listeners wait for the database; then they are told to come back
PAUSE_S = 0.5


class Group:
    """The listeners of one subscription key."""

    def __init__(self, hub: "Hub", subscription: Subscription) -> None:
        self.subscription = subscription
        self.members = 0  # the live ones and those who read the log alone
        self.live: set[Listener] = set()
        self._hub = hub
        self._backlog: deque[Happening] = deque()
        self._working: asyncio.Task[None] | None = None
        self._showing = asyncio.Lock()
        self._kept: dict[int, News] = {}  # by position, for those who catch up together; good until the head moves on
        self._kept_at: EventCursor | None = None

    @property
    def position(self) -> EventCursor:
        """Up to where live listeners have been told everything."""
        return before(self._backlog[0].cursor) if self._backlog else self._hub.cursor

    def take(self, happening: Happening) -> None:
        """Hear of an event; returns at once."""
        if not self.live:
            return  # those who read the log alone will find it there
        if len(self._backlog) >= LONGEST_BACKLOG:
            self._all_lag(self.position)
            return
        self._backlog.append(happening)
        if self._working is None:
            self._working = self._hub.spawn(self._work())

    def stop(self) -> None:
        """Do nothing any more."""
        self._backlog.clear()
        if self._working is not None and self._working is not asyncio.current_task():
            self._working.cancel()

    def tell_gap(self, gap: Gap) -> None:
        """Tell live listeners that they missed something; they go on behind it."""
        for listener in list(self.live):
            missed = Gap(self._hub.position_of(listener), gap.end)
            if listener.send(News(gap_payload(missed), gap.end, 0)):
                listener.cursor = gap.end
                self._hub.gaps += 1
            else:
                self._hub.lag(listener, missed.start)
        self._backlog.clear()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + OUTAGE_S
        try:
            while self._backlog:
                happening = self._backlog[0]
                try:
                    async with self._hub.turns:
                        await self._tell(happening)
                except FeedgraphError:  # the database is away
                    if loop.time() > give_up_at:
                        self._break_all_off()
                        return
                    await asyncio.sleep(PAUSE_S)
                    continue
                except Exception as error:  # whatever it is: nobody may wait for ever in silence
                    log.error("event_not_told", position=happening.event.position, exc_info=error)
                    self._break_all_off()
                    return
                if self._backlog and self._backlog[0] is happening:
                    self._backlog.popleft()
                give_up_at = loop.time() + OUTAGE_S
        finally:
            self._working = None

    async def _tell(self, happening: Happening) -> None:
        """Send one event to everybody here who may hear of it and has not yet."""
        position, stream = happening.event.position, self.subscription.stream
        waiting = [listener for listener in self.live if listener.cursor.position < position]
        heard = await stream.audience(happening, {listener.viewer_id for listener in waiting})
        if stream.ends_without_post:
            for listener in waiting:
                if listener not in self.live or listener.viewer_id in heard:
                    continue
                if listener.send(gone(happening)):
                    listener.finish()
                else:
                    self._hub.lag(listener, before(happening.cursor))
        if heard:
            news = await self.executed(happening)
            hearers = [listener for listener in waiting if listener.viewer_id in heard]
            callers = {listener.caller.key: listener.caller for listener in hearers}
            await self._send_to(hearers, news, await self._paid(callers.values(), news))
            if await stream.is_last(happening):
                self._finish([listener for listener in hearers if listener.cursor.position >= position])

    def _finish(self, hearers: list[Listener]) -> None:
        """Say to those who have heard the last event that nothing comes behind it."""
        for listener in hearers:
            if listener in self.live:
                listener.finish()

    async def _paid(self, callers: Iterable[Caller], news: News) -> dict[str, Standing]:
        """Charge each caller once, however many of its listeners hear the event; return those who had points enough, by key."""
        standings = {}
        for caller in callers:
            with suppress(Throttled):
                standings[caller.key] = await self._hub.resources.budgets.pay(caller, news.cost)
        return standings

    async def _send_to(self, hearers: list[Listener], news: News, paid: dict[str, Standing]) -> None:
        sent = 0
        position, live, wants_cost = news.cursor.position, self.live, self.subscription.wants_cost
        for number, listener in enumerate(hearers, 1):
            if number % SENT_AT_A_TIME == 0:
                await asyncio.sleep(0)
            if listener not in live or listener.cursor.position >= position:
                continue
            standing = paid.get(listener.caller.key)
            told = self.with_cost(news, standing) if wants_cost and standing else news
            if standing is None or not listener.send(told):
                self._hub.lag(listener, before(news.cursor))
            else:
                listener.cursor = news.cursor
                sent += 1
        self._hub.deliveries += sent

    async def executed(self, happening: Happening) -> News:
        """Return the answer to an event about something that is there.

        Raises:
            Unavailable: the database was away meanwhile.
        """
        subject = await self.subscription.stream.subject(happening)
        payload, cost = await self.subscription.shown(subject, happening.cursor)
        return News(payload, happening.cursor, cost)

    async def kept(self, happening: Happening) -> News:
        """Return the same, executed once for all who catch up while nothing else happens."""
        async with self._showing:
            head = self._hub.resources.tail.cursor
            if head != self._kept_at or len(self._kept) >= LONGEST_KEPT:
                self._kept_at, self._kept = head, {}
            news = self._kept.get(happening.event.position)
            if news is None:
                async with self._hub.turns:
                    news = self._kept[happening.event.position] = await self.executed(happening)
            return news

    def caught_up(self) -> None:
        """Forget what was kept for those who catch up when nobody does any more."""
        if self.members == len(self.live):
            self._kept = {}

    def with_cost(self, news: News, standing: Standing) -> News:
        """Return the answer that also tells its caller what it cost and what is left."""
        asked = self.subscription.bill.charge
        charge = Charge(asked.requested, asked.nodes, asked.depth, news.cost)
        return News(with_cost(news.payload, charge, standing), news.cursor, news.cost)

    def _all_lag(self, cursor: EventCursor) -> None:
        self._backlog.clear()
        for listener in list(self.live):
            self._hub.lag(listener, max(listener.cursor, cursor))

    def _break_all_off(self) -> None:
        self._backlog.clear()
        for listener in list(self.live):
            listener.break_off()


def before(cursor: EventCursor) -> EventCursor:
    """Return the position right before an event's."""
    return EventCursor(cursor.epoch, cursor.position - 1)


def gone(happening: Happening) -> News:
    """Return what tells a listener that the one post it listens to is gone, or hidden from it since."""
    return News(gone_payload(happening.cursor), happening.cursor, 0)
