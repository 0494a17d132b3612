"""The metrics for Prometheus: what the workers measure is counted here, what they publish of themselves is read.

A registry of its own, so that two daemons in one process do not meet. README lists every metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from hf_watch.page.recent import Totals
from hf_watch.threads.measured import Asked, Missed, Published, PutOff, QuotaSeen, Scanned, SetAside, Skipped
from hf_watch.version import __version__
from hf_watch.watches import limits, reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from hf_watch.control.contract import StatusView, TargetView
    from hf_watch.threads.measured import Delivery, Measured
    from hf_watch.threads.status import TargetStatus

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)  # below max_wait_s, beyond an outage
FILES = (1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 25_000)
BYTES = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10)
NO_ANSWER = "none"
SKIPPED_BECAUSE = ("unchanged", "ignored")


class Metrics:
    """Counts what it is told, on any thread; takes no lock beside the library's own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._files = self._counter("files_published", "files that the Hub shows since the start", "target")
        self._bytes = self._counter("bytes_published", "content of the files that were published", "target")
        self._deleted = self._counter("files_deleted", "files deleted on the Hub", "target")
        self._skipped = self._counter("files_skipped", "settled files that needed no commit", "target", "reason")
        self._aside = self._counter("files_set_aside", "times that a file went to quarantine", "target")
        self._commits = self._counter("commits", "commits made", "destination")
        self._retries = self._counter("retries", "steps that failed and were put off", "destination", "cause")
        self._requests = self._counter("requests", "requests to the Hub", "method", "status")
        self._gaps = self._counter("gaps", "times that the watch could not say what changed", "target")
        self._overflows = self._counter("overflows", "gaps because a queue was full", "target")
        self._commit_s = self._histogram("commit_duration_seconds", "how long a commit took", SECONDS, "destination")
        self._commit_files = self._histogram("commit_files", "operations of a commit", FILES, "destination")
        self._commit_bytes = self._histogram("commit_bytes", "content of a commit", BYTES, "destination")
        self._settle = self._histogram("settle_seconds", "first hint of a file until it held still", SECONDS, "target")
        self._queue = self._histogram("queue_seconds", "from being quiet until its commit was sent", SECONDS, "target")
        self._visible = self._histogram(
            "visible_seconds", "last change of a file, as its close, until the Hub shows it", SECONDS, "target"
        )
        self._scan_s = self._histogram("scan_duration_seconds", "scans of a whole directory", SECONDS, "target")
        self._quota = Gauge(
            "hf_watch_api_quota_left", "requests left, as the Hub said last", registry=self.registry
        )  # fmt: skip
        self._quota.set(float("nan"))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hf_watch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"hf_watch_{name}", text, labels, buckets=buckets, registry=self.registry)

    def begin(self, targets: Iterable[tuple[str, str]]) -> None:
        """Let there be every series of these targets and their destinations, at 0 until something is counted."""
        of_target = (
            self._files, self._bytes, self._deleted, self._aside, self._gaps, self._overflows, self._settle,
            self._queue, self._visible, self._scan_s,
        )  # fmt: skip
        for target, destination in targets:
            for metric in of_target:
                metric.labels(target)
            for reason in SKIPPED_BECAUSE:
                self._skipped.labels(target, reason)
            for metric in (self._commits, self._commit_s, self._commit_files, self._commit_bytes):
                metric.labels(destination)

    def observe(self, event: Measured) -> None:
        """Count one event; a hf_watch.threads.measured.Observe."""
        match event:
            case Published():
                self._count_commit(event)
            case Skipped():
                self._skipped.labels(event.target, event.reason).inc()
            case SetAside():
                self._aside.labels(event.target).inc()
            case PutOff():
                self._retries.labels(event.destination, event.cause).inc()
            case Asked():
                status = NO_ANSWER if event.status is None else str(event.status)
                self._requests.labels(event.method, status).inc()
            case QuotaSeen():
                self._quota.set(event.remaining)
            case Scanned():
                self._scan_s.labels(event.target).observe(event.duration_s)
            case Missed():
                self._gaps.labels(event.target).inc()
                if event.reason.startswith((reasons.OVERFLOW, reasons.HINTS_LOST)):
                    self._overflows.labels(event.target).inc()

    def _count_commit(self, event: Published) -> None:
        if event.commit is not None:
            self._commits.labels(event.destination).inc()
            self._commit_s.labels(event.destination).observe(event.duration_s)
            self._commit_files.labels(event.destination).observe(len(event.deliveries))
            self._commit_bytes.labels(event.destination).observe(event.size_bytes)
        for name in {each.target for each in event.deliveries}:
            self._count_files(name, [each for each in event.deliveries if each.target == name])

    def _count_files(self, target: str, deliveries: list[Delivery]) -> None:
        added = [each for each in deliveries if not each.is_delete]
        self._files.labels(target).inc(len(added))
        self._deleted.labels(target).inc(len(deliveries) - len(added))
        self._bytes.labels(target).inc(sum(each.size_bytes for each in added))
        settle, queue, visible = (each.labels(target) for each in (self._settle, self._queue, self._visible))
        for each in deliveries:
            settle.observe(each.settle_s)
            queue.observe(each.queue_s)
            visible.observe(each.visible_s)

    def totals(self) -> Totals:
        """Files and bytes published so far, and the sum and number of the times until they were visible."""
        return Totals(
            _total(self._files, "_total"),
            _total(self._bytes, "_total"),
            _total(self._visible, "_sum"),
            _total(self._visible, "_count"),
        )

    def text(self, accept: str) -> tuple[bytes, str]:
        """All of it in the format that an Accept header asks for, and that format's media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


def _total(metric: Counter | Histogram, suffix: str) -> float:
    return sum(sample.value for family in metric.collect() for sample in family.samples if sample.name.endswith(suffix))


class Standing(Collector):
    """A collector of how things stand when somebody asks: what the workers publish, and what the ledger says."""

    def __init__(
        self,
        status: Callable[[], StatusView],
        workers: Callable[[], list[TargetStatus]],
        commits_left: Callable[[], float],
    ) -> None:
        self._status = status
        self._workers = workers
        self._commits_left = commits_left

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks of a collector."""
        view = self._status()
        yield _single("info", "constant 1; the version is a label", 1.0, version=__version__)
        yield _single("healthy", "1 while nothing has been settled and unpublished for too long", view.health != "late")
        yield _single("commit_budget_left", "commits that may go at once; +Inf: any number", self._commits_left())
        yield _single("watches_allowed", "inotify watches that this user may have", limits.of_watches().limit)
        for name, text, values in _of_targets(view.targets):
            yield _each(name, text, zip([each.target for each in view.targets], values, strict=True))
        found = self._workers()
        yield _each("held_bytes", "content of files in memory", [(each.name, each.held_bytes) for each in found])
        yield _each("watches", "directories that have an inotify watch", [(each.name, each.watched) for each in found])
        states = GaugeMetricFamily("hf_watch_target_state", "1 for the state it is in", labels=["target", "state"])
        for each in view.targets:
            states.add_metric([each.target, each.state], 1.0)
        yield states


def _of_targets(targets: Sequence[TargetView]) -> Iterator[tuple[str, str, list[float]]]:
    yield "waiting", "paths that were hinted at and not looked at yet", [each.waiting for each in targets]
    yield "in_flight", "paths that were read and not answered for by the Hub yet", [each.in_flight for each in targets]
    yield "quarantined", "files that are set aside", [each.quarantined for each in targets]
    oldest_s = [each.oldest_s or 0.0 for each in targets]
    yield "oldest_seconds", "age of the first hint of the path unpublished for longest; 0: none", oldest_s
    yield "lag_seconds", "for how long something has been settled and unpublished", [each.lag_s for each in targets]


def _single(name: str, text: str, value: float, **labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"hf_watch_{name}", text, labels=list(labels))
    family.add_metric(list(labels.values()), float(value))
    return family


def _each(name: str, text: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"hf_watch_{name}", text, labels=["target"])
    for target, value in values:
        family.add_metric([target], float(value))
    return family
