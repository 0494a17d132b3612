"""The metrics of a running daemon, as a monitoring system reads them."""

from __future__ import annotations

import httpx2
from prometheus_client.parser import text_string_to_metric_families


def metrics_at(url: str) -> dict[str, float]:
    """Each metric of the page at `url`, added up over its labels."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx2.get(f"{url}metrics", timeout=60.0).text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
