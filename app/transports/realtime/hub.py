"""The hub: each event is executed and serialised once for all who listen to the same, and each listener is a position in the log.

Groups stand at the log's head: listeners of one operation, variables and scope. The hub reads each event once and hands it to the
groups of its topics; a group works only while it has events, so that a thousand idle listeners are no task at all. Who is not at
the head (a client that resumes, one that does not read, one without points) reads the log alone (replay.py) and joins its group
when it arrives there. What a listener has seen is a number, so nothing can come twice or fall between the two.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import web

from app import services
from app.domain.errors import FeedgraphError
from app.domain.events import Event, EventCursor, EventType, Gap
from app.services.context import RequestContext, Resources
from app.services.streams import Happening
from app.transports.graphql.subscriptions import Subscription
from app.transports.realtime.connections import Connections
from app.transports.realtime.groups import Group
from app.transports.realtime.listening import Listener, Watcher
from app.transports.realtime.replay import replay

log = structlog.get_logger(__name__)

RETRY_S = 0.5
WORKING_GROUPS = 4  # at once: more would only wait for connections to the database


class Hub:
    """All who listen in this process."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.cursor = resources.tail.cursor  # handed out up to here
        self.turns = asyncio.Semaphore(WORKING_GROUPS)
        self.viewers: Counter[int] = Counter()  # of the listeners, by user id
        self.deliveries = self.replays = self.gaps = 0  # counted for the metrics
        self._groups: dict[object, Group] = {}
        self._by_topic: dict[str, set[Group]] = {}
        self._sessions: dict[int, set[Watcher]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listener: Listener, subscription: Subscription, cursor: EventCursor) -> None:
        """Let a listener hear a subscription from the cursor on."""
        group = self._groups.get(subscription.key)
        if group is None:
            group = self._groups[subscription.key] = Group(self, subscription)
            self._by_topic.setdefault(subscription.stream.topic, set()).add(group)
        listener.group, listener.cursor = group, cursor
        group.members += 1
        if listener.viewer_id is not None:
            self.viewers[listener.viewer_id] += 1
        if not self.join(listener):
            self.lag(listener, cursor)

    def join(self, listener: Listener) -> bool:
        """Let a listener stand at the head if it has arrived there."""
        if listener.cursor.epoch != self.cursor.epoch or listener.cursor.position < self.cursor.position:
            return False
        assert listener.group is not None  # noqa: S101  # only listeners of a group are handed here
        listener.group.live.add(listener)
        listener.replaying = None
        return True

    def lag(self, listener: Listener, cursor: EventCursor) -> None:
        """Let a listener read the log alone, from the cursor on."""
        assert listener.group is not None  # noqa: S101  # only listeners of a group are handed here
        listener.cursor = cursor
        listener.group.live.discard(listener)
        self.replays += 1
        listener.replaying = self.spawn(replay(self, listener, listener.group))

    def leave(self, listener: Listener) -> None:
        """Forget a listener; it is over."""
        listener.is_over = True
        group, listener.group = listener.group, None
        if listener.replaying is not None and listener.replaying is not asyncio.current_task():
            listener.replaying.cancel()
        if group is None:
            return
        group.live.discard(listener)
        group.members -= 1
        if listener.viewer_id is not None:
            self.viewers[listener.viewer_id] -= 1
            if not self.viewers[listener.viewer_id]:
                del self.viewers[listener.viewer_id]
        if not group.members:
            self._forget(group)

    def _forget(self, group: Group) -> None:
        group.stop()
        if self._groups.get(group.subscription.key) is group:
            del self._groups[group.subscription.key]
        topic = group.subscription.stream.topic
        groups = self._by_topic[topic]
        groups.discard(group)
        if not groups:
            del self._by_topic[topic]

    @property
    def listeners(self) -> int:
        """How many subscriptions are listened to."""
        return sum(group.members for group in self._groups.values())

    @property
    def groups(self) -> int:
        """How many different ones these are."""
        return len(self._groups)

    def position_of(self, listener: Listener) -> EventCursor:
        """Return up to where a listener has seen everything that concerns it."""
        group = listener.group
        if group is None or listener not in group.live:
            return listener.cursor
        return max(listener.cursor, group.position)

    async def watch(self, watcher: Watcher, ctx: RequestContext) -> None:
        """Tell the watcher when its viewer's session ends, from when the request began on.

        Raises:
            Unavailable: whether it has ended already cannot be looked up.
        """
        if ctx.viewer is None:
            return
        self._sessions.setdefault(ctx.viewer.session_id, set()).add(watcher)
        if not await services.updates.holds(ctx):  # it may have ended between being looked up and being watched
            watcher.signed_out()

    def unwatch(self, watcher: Watcher, ctx: RequestContext) -> None:
        """Forget a watcher."""
        if ctx.viewer is None:
            return
        watchers = self._sessions.get(ctx.viewer.session_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._sessions.pop(ctx.viewer.session_id, None)

    async def run(self) -> None:
        """Hand out every event of the log, for ever."""
        ctx = RequestContext(self.resources)
        while True:
            try:
                batch, cursor = await services.updates.behind(ctx, self.cursor)
            except FeedgraphError as error:
                log.warning("log_unreadable", error=error.message)
                await asyncio.sleep(RETRY_S)
                continue
            for event in batch:
                if isinstance(event, Gap):
                    self._tell_gap(event)
                else:
                    self._hand_out(event, cursor.epoch)
            self.cursor = cursor
            if not batch:
                await self.resources.tail.growth(cursor)

    def _hand_out(self, event: Event, epoch: int) -> None:
        happening: Happening | None = None
        for topic in event.topics:
            for group in self._by_topic.get(topic, ()):
                if group.subscription.stream.hears(event):
                    happening = happening or Happening(self.resources.db, event, epoch, self.viewers.keys)
                    group.take(happening)
        if event.type == EventType.SESSION_REVOKED:
            self._sign_out(self._sessions.get(event.subject_id, ()))
        elif event.type == EventType.USER_DELETED:
            everybody = [watcher for watchers in self._sessions.values() for watcher in watchers]
            self._sign_out([watcher for watcher in everybody if watcher.ctx.viewer_id == event.subject_id])

    def _sign_out(self, watchers: Collection[Watcher]) -> None:
        for watcher in list(watchers):
            watcher.signed_out()

    def _tell_gap(self, gap: Gap) -> None:
        """What was missed may have been anything: every listener is told, and every session is looked at."""
        self.cursor = gap.end
        for group in self._groups.values():
            group.tell_gap(gap)
        for watchers in list(self._sessions.values()):
            for watcher in list(watchers):
                self.spawn(self._look_at_session(watcher))

    async def _look_at_session(self, watcher: Watcher) -> None:
        with suppress(FeedgraphError):  # the database is away: the session is asked for again with the next operation
            if not await services.updates.holds(watcher.ctx):
                watcher.signed_out()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside, as long as the hub runs."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("listening_failed", exc_info=error)

    async def close(self) -> None:
        """End what still works."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def show_readings(hub: Hub, connections: Connections, read: Callable[..., None]) -> None:
    """Add to the metrics what listening comes to."""
    read("gauge", "feedgraph_subscriptions", "Subscriptions that are listened to", lambda: hub.listeners)
    read("gauge", "feedgraph_subscription_groups", "Different subscriptions among them, each executed once", lambda: hub.groups)
    read("gauge", "feedgraph_live_connections", "Open sockets and streams", lambda: len(connections.open))
    read("counter", "feedgraph_deliveries", "Answers sent to listeners of subscriptions", lambda: hub.deliveries)
    read("counter", "feedgraph_replays", "Times that a listener read the log alone, to catch up", lambda: hub.replays)
    read("counter", "feedgraph_gaps", "Times that a listener was told of events that are gone", lambda: hub.gaps)
    read("counter", "feedgraph_slow_closes", "Clients given up because they did not read", lambda: connections.slow_closes)


HUB: Final = web.AppKey("hub", Hub)
