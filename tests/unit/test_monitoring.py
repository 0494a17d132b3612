"""systemd/monitoring: what the alerts and the dashboard ask is PromQL, of metrics and labels that the daemon has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import promql_parser as promql
import pytest

from hf_watch.control.contract import StatusView, TargetView
from hf_watch.page.metrics import Metrics, Standing
from hf_watch.threads.measured import Asked, PutOff
from hf_watch.threads.status import TargetState, TargetStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

MONITORING = Path(__file__).parents[2] / "systemd" / "monitoring"
RULE = re.compile(r"^ +expr: (?P<text>.+)\n(?:.+\n)*? +annotations: (?P<says>.+)$", re.MULTILINE)
NAMED_LABEL = re.compile(r"\{\{ *(?:\$labels\.)?(\w+) *\}\}")
OF_A_SCRAPE = {"job", "instance"}
GROWING = ("_total", "_bucket", "_sum", "_count")
RATES = frozenset({"rate", "increase"})


class Query(NamedTuple):
    """What is asked of Prometheus, and how its answers are labelled for a person."""

    where: str
    text: str
    says: str

    def nodes(self, kind: type[Any]) -> list[Any]:
        """The parts of the query of this kind; ValueError when it is no PromQL."""
        found: list[Any] = []

        def see(node: Any) -> bool:
            if isinstance(node, kind):
                found.append(node)
            return True

        promql.walk(promql.parse(self.text), see)
        return found


def _series() -> dict[str, set[str]]:
    """Each series of a daemon with one target that everything happened to, and its labels."""
    target = TargetView(
        target="drop", source="/srv/drop", source_encoded="/srv/drop", dest="hf://datasets/a/b", state="watching",
        waiting=0, in_flight=0, quarantined=0, quarantine=(), oldest_s=None, lag_s=0.0, published_today=0,
        last_commit=None, next_commit_s=None, reason=None, held_deletes=0, held_example=None,
        held_example_encoded=None,
    )  # fmt: skip
    view = StatusView(
        version="1", pid=1, state_dir="/s", health="healthy", problems=(), max_lag_s=1.0, targets=(target,)
    )
    metrics = Metrics()
    metrics.registry.register(Standing(lambda: view, lambda: [TargetStatus("drop", TargetState.WATCHING)], lambda: 0.0))
    metrics.begin([(target.target, target.dest)])
    metrics.observe(PutOff(target.dest, "unreachable"))
    metrics.observe(Asked("GET", 200))
    found: dict[str, set[str]] = {"up": set()}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: labels | OF_A_SCRAPE for name, labels in found.items()}


def _queries() -> Iterator[Query]:
    for rule in RULE.finditer((MONITORING / "alerts.yml").read_text()):
        yield Query(rule["text"], rule["text"], rule["says"].replace("$value", ""))
    for panel in json.loads((MONITORING / "grafana.json").read_text())["panels"]:
        for each in panel["targets"]:
            text = each["expr"].replace("$__rate_interval", "5m")  # as Grafana does
            yield Query(f"{panel['title']}: {text}", text, each["legendFormat"])


SERIES = _series()
QUERIES = list(_queries())
of_each_query = pytest.mark.parametrize("query", QUERIES, ids=[each.where for each in QUERIES])


def test_all_rules_are_found() -> None:
    assert len(RULE.findall((MONITORING / "alerts.yml").read_text())) == (MONITORING / "alerts.yml").read_text().count(
        "- alert:"
    )


@of_each_query
def test_it_is_promql_of_series_that_there_are(query: Query) -> None:
    asked = query.nodes(promql.VectorSelector)
    assert asked
    for selector in asked:
        assert selector.name in SERIES
        assert {each.name for each in selector.matchers.matchers} <= SERIES[selector.name]


@of_each_query
def test_rates_are_asked_of_what_only_grows_and_of_all_of_it(query: Query) -> None:
    rated = [each.args[0].vector_selector.name for each in query.nodes(promql.Call) if each.func.name in RATES]
    assert all(name.endswith(GROWING) for name in rated)
    assert sorted(rated) == sorted(
        each.name for each in query.nodes(promql.VectorSelector) if each.name.endswith(GROWING)
    )


@of_each_query
def test_what_it_is_grouped_and_labelled_by_is_there(query: Query) -> None:
    known = set.union(*(SERIES[each.name] for each in query.nodes(promql.VectorSelector)))
    for aggregate in query.nodes(promql.AggregateExpr):
        kept = set(aggregate.modifier.labels) if aggregate.modifier is not None else set()
        assert kept <= known
        known = kept
    assert set(NAMED_LABEL.findall(query.says)) <= known


def test_every_metric_is_shown_or_watched() -> None:
    asked = {each.name for query in QUERIES for each in query.nodes(promql.VectorSelector)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    ours = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in SERIES if name.startswith("hf_watch_")}
    assert {name for name in ours if f"{name}_total" not in ours} == families - {"up", "process_resident_memory_bytes"}


def test_the_dashboard_has_a_place_for_each_panel() -> None:
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    places = {(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels}
    assert len(places) == len({each["id"] for each in panels}) == len(panels)
    for panel in panels:
        references = [each["refId"] for each in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]
