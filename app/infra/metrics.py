"""Metrics: what one server counts, in the form that Prometheus reads.

Each server has a registry of its own: tests run several servers in one process. What happens on every request is added to plain
integers, which cost a tenth of the library's locked counters, and becomes the library's samples only when somebody asks.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final, Literal

import prometheus_client
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which only tells when the process began


class Tally:
    """A counter by the values of its labels. Values must be few: each combination stays for the life of the process."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...]) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self.counts: Counter[tuple[str, ...]] = Counter()

    def add(self, *values: str, amount: int = 1) -> None:
        """Count one more, or several, under these values of the labels."""
        self.counts[values] += amount

    def collect(self) -> Iterator[Metric]:
        """Give the samples; the library calls this."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, count in sorted(self.counts.items()):
            family.add_metric(values, count)
        yield family


class Latencies:
    """How long requests took, by face and status: a histogram whose buckets are plain integers."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._counts: dict[tuple[str, int], list[int]] = {}  # one for each bucket, and one for what is longer than all
        self._sums: Counter[tuple[str, int]] = Counter()

    def observe(self, face: str, status: int, seconds: float) -> None:
        """Note one more."""
        key = (face, status)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(LATENCY_BUCKETS_S) + 1)
        counts[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        self._sums[key] += seconds  # type: ignore[assignment]  # a Counter adds whatever adds

    def collect(self) -> Iterator[Metric]:
        """Give the samples; the library calls this."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=("face", "status"))
        for (face, status), counts in sorted(self._counts.items()):
            bounds = [*map(floatToGoString, LATENCY_BUCKETS_S), "+Inf"]
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            family.add_metric((face, str(status)), buckets, self._sums[face, status])
        yield family


class Reading:
    """One number that somebody keeps anyway, looked at when the metrics are asked for."""

    def __init__(self, kind: Literal["counter", "gauge"], name: str, documentation: str, read: Callable[[], float]) -> None:
        self._family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
        self._name, self._documentation, self._read = name, documentation, read

    def collect(self) -> Iterator[Metric]:
        """Give the sample; the library calls this."""
        yield self._family(self._name, self._documentation, value=self._read())


class Metrics:
    """The metrics of one server. Names follow Prometheus: the unit in the name, `_total` (by the library) for what only grows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.document_lookups = self.tally(
            "feedgraph_document_lookups", "GraphQL texts looked up among the known documents: hit or miss", "result"
        )
        self.document_evictions = self.tally("feedgraph_document_evictions", "Known documents dropped for others")
        self.operations = self.tally(
            "feedgraph_operations",
            "GraphQL operations executed, subscriptions' events included; reason: why not by a plan alone",
            "executor",
            "reason",
        )
        self.refusals = self.tally("feedgraph_refusals", "Requests and operations refused as a whole, by error code", "code")
        self.event_deliveries = self.tally("feedgraph_event_deliveries", "Events given to listeners of /api/v1/events", "way")
        self.event_replays = self.tally("feedgraph_event_replays", "Streams there that resumed behind the log's head", "way")
        self.event_gaps = self.tally("feedgraph_event_gaps", "Times they were told that events behind them are gone", "way")
        self.event_stalls = self.tally("feedgraph_event_stalls", "Streams given up because their client did not read")
        self._requests = Latencies(
            "feedgraph_request_duration_seconds", "Time from a request's head to its answer, streams excepted"
        )
        self.registry.register(self._requests)

    def tally(self, name: str, documentation: str, *labels: str) -> Tally:
        """Return a new counter with these labels; `_total` comes behind the name."""
        tally = Tally(name, documentation, labels)
        self.registry.register(tally)
        return tally

    def read(self, kind: Literal["counter", "gauge"], name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show what `read` returns whenever the metrics are asked for."""
        self.registry.register(Reading(kind, name, documentation, read))

    def observe_request(self, face: str, status: int, seconds: float) -> None:
        """Note how long a request took."""
        self._requests.observe(face, status, seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format 0.0.4 (see CONTENT_TYPE)."""
        return generate_latest(self.registry)
