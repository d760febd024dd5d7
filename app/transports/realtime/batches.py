"""Events told at once: what each listener hears of them, put together once for all who hear the same."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domain.events import EventCursor
from app.transports.realtime.news import News, bulletins


@dataclass(frozen=True, slots=True)
class Shown:
    """What one event is to the viewers of a group."""

    cursor: EventCursor
    heard_by: Collection[int | None]
    news: News | None  # for them; None: there is nobody
    for_others: News | None  # says that the stream is over; None: they hear nothing
    is_last: bool  # the stream is over for those who heard


class Script:
    """What one listener hears of a batch."""

    __slots__ = ("bulletins", "cost", "is_last", "news")

    def __init__(self, news: Sequence[News], *, is_last: bool) -> None:
        self.news = news
        self.bulletins = list(bulletins(news))
        self.cost = sum(item.cost for item in news)  # in points
        self.is_last = is_last  # the stream is over


class Batch:
    """Events in the log's order, and the scripts that they come to."""

    def __init__(self, events: Sequence[Shown]) -> None:
        self._events = events
        self._epoch, self._start = events[0].cursor.epoch, events[0].cursor.position - 1
        self._by_listener: dict[tuple[int | None, int], Script] = {}
        self._by_news: dict[tuple[News, ...], Script] = {}

    def script(self, viewer_id: int | None, seen: EventCursor) -> Script:
        """Return what a viewer's listener hears who has seen everything up to a cursor."""
        if seen.epoch != self._epoch:
            return NOTHING  # it was told of a gap meanwhile, and is behind it
        position = seen.position if seen.position > self._start else self._start
        script = self._by_listener.get((viewer_id, position))
        if script is None:
            script = self._by_listener[viewer_id, position] = self._made(viewer_id, position)
        return script

    def _made(self, viewer_id: int | None, position: int) -> Script:
        news: list[News] = []
        is_last = False
        for event in self._events:
            is_heard = viewer_id in event.heard_by
            item = event.news if is_heard else event.for_others
            if item is None or event.cursor.position <= position:
                continue
            news.append(item)
            if is_last := event.is_last or not is_heard:
                break
        heard = tuple(news)  # whoever hears the same ends the same way
        script = self._by_news.get(heard)
        if script is None:
            script = self._by_news[heard] = Script(heard, is_last=is_last)
        return script


NOTHING = Script((), is_last=False)
