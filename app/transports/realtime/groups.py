"""A group of listeners at the log's head who hear the same: each event is executed once and sent to all of them."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from app.domain.budgets import Caller, Charge, Standing
from app.domain.errors import FeedgraphError, Throttled
from app.domain.events import EventCursor, Gap
from app.services.streams import Happening
from app.transports.graphql.subscriptions import Subscription, gap_payload, gone_payload, with_cost
from app.transports.realtime.batches import Batch, Script, Shown
from app.transports.realtime.listening import Listener
from app.transports.realtime.news import News

if TYPE_CHECKING:  # the hub holds groups
    from app.transports.realtime.hub import Hub

log = structlog.get_logger(__name__)

LONGEST_BACKLOG = 1_000  # events: a group that works more slowly than people write reads from the log instead
LARGEST_BATCH = 16  # events that are told at once, when they happen faster than they are told
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
        self._at_once = 1 if subscription.wants_cost else LARGEST_BATCH  # what is left is told with each event
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
                happenings = list(islice(self._backlog, self._at_once))
                try:
                    await self._tell(happenings)
                except FeedgraphError:  # the database is away
                    if loop.time() > give_up_at:
                        self._break_all_off()
                        return
                    await asyncio.sleep(PAUSE_S)
                    continue
                except Exception as error:  # whatever it is: nobody may wait for ever in silence
                    log.error("event_not_told", position=happenings[0].event.position, exc_info=error)
                    self._break_all_off()
                    return
                if self._backlog and self._backlog[0] is happenings[0]:  # else they were taken back meanwhile
                    for _ in happenings:
                        self._backlog.popleft()
                give_up_at = loop.time() + OUTAGE_S
        finally:
            self._working = None

    async def _tell(self, happenings: Sequence[Happening]) -> None:
        """Send events to everybody here who may hear of them and has not yet."""
        end = happenings[-1].event.position
        waiting = [listener for listener in self.live if listener.cursor.position < end]
        viewer_ids = {listener.viewer_id for listener in waiting}
        shown = await asyncio.gather(*(self._shown(each, viewer_ids) for each in happenings), return_exceptions=True)
        if error := next((each for each in shown if isinstance(each, BaseException)), None):
            raise error  # when all are at their end: what still ran would run beside the next try
        batch = Batch([each for each in shown if isinstance(each, Shown)])
        await self._send_to(waiting, batch, await self._paid(waiting, batch))

    async def _shown(self, happening: Happening, viewer_ids: Collection[int | None]) -> Shown:
        """Return what an event is to those of the viewers who hear of it, and to the others."""
        stream = self.subscription.stream
        async with self._hub.turns:
            heard = await stream.audience(happening, viewer_ids)
            news = await self.executed(happening) if heard else None
            is_last = news is not None and await stream.is_last(happening)
        return Shown(happening.cursor, heard, news, gone(happening) if stream.ends_without_post else None, is_last)

    async def _paid(self, waiting: Iterable[Listener], batch: Batch) -> dict[str, Standing]:
        """Charge each caller once for an event, however many of its listeners hear it; return who had points enough, by key.

        Of a caller's listeners, the one that is farthest behind hears whatever the others hear.
        """
        owed: dict[str, tuple[Caller, Script]] = {}
        for listener in waiting:
            script, known = batch.script(listener.viewer_id, listener.cursor), owed.get(listener.caller.key)
            if script.news and (known is None or known[1].cost < script.cost):
                owed[listener.caller.key] = (listener.caller, script)
        standings = {}
        for caller, script in owed.values():
            if len(script.news) > 1 and script.cost > caller.budget.points:
                continue  # more than a full budget, which pays for one event alone: they are told one by one
            with suppress(Throttled):
                standings[caller.key] = await self._hub.resources.budgets.pay(caller, script.cost)
        return standings

    async def _send_to(self, waiting: Iterable[Listener], batch: Batch, paid: dict[str, Standing]) -> None:
        live, wants_cost = self.live, self.subscription.wants_cost
        for number, listener in enumerate(waiting, 1):
            if number % SENT_AT_A_TIME == 0:
                await asyncio.sleep(0)
            script = batch.script(listener.viewer_id, listener.cursor)
            if not script.news or listener not in live:
                continue  # it left meanwhile, or has come back from elsewhere with all of this
            standing = paid.get(listener.caller.key)
            if standing is None:
                self._hub.lag(listener, before(script.news[0].cursor))
                continue
            for bulletin in script.bulletins:
                told = self.with_cost(bulletin.news[0], standing) if wants_cost and script.cost else bulletin
                if not listener.send(told):
                    self._hub.lag(listener, before(bulletin.news[0].cursor))
                    break
                listener.cursor = bulletin.cursor
                self._hub.deliveries += len(bulletin.news)
            else:
                if script.is_last:
                    listener.finish()

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
