"""Whatever can be asked of the page's API by its own description, the daemon answers it, and never with a 5xx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok

from hf_watch.local_hub import LocalHub
from tests.steered import Place

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = 25
ENDLESS = "/v1/events"  # tests/contract/test_events.py follows it
NO_FAULT_OF_OURS = {502, 503}  # a URL that nobody answers; a worker that is busy


def test_the_whole_description_is_answered_without_a_server_error(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        hub.create_repo("dataset", "acme/drop", private=True)
        place = Place(tmp_path, hub)
        with place.running(env={**place.env, "HF_WATCH_HTTP__LISTEN": "127.0.0.1:0"}) as daemon:
            [started] = daemon.wait_for("page.started")
            schema = schemathesis.openapi.from_url(f"{started['url']}v1/openapi.json")
            schema.config.base_url = started["url"]
            found = schema.exclude(path=ENDLESS).get_all_operations()
            asked = [_ask(each.ok().as_strategy()) for each in found if isinstance(each, Ok)]
            assert len(asked) == len(set(schema.raw_schema["paths"]) - {ENDLESS})
            assert sum(asked) > 5 * len(asked)
            (place.drop / "after.txt").write_text("after")
            assert place.say("flush", "--wait", "--timeout", "60").returncode in {0, 1}
            assert not daemon.events("control.failed")
            assert not daemon.events("control.died")
            assert daemon.stop() == 0


def _ask(cases: st.SearchStrategy[Any]) -> int:
    """Ask what can be drawn; how often."""
    count = 0

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=cases)
    def ask(case: Any) -> None:
        nonlocal count
        count += 1
        if isinstance(case.body, dict) and case.body.get("wait"):
            case.body["timeout_s"] = 0.1  # a barrier without an end waits for what a drawn pause holds back
        response = case.call(timeout=60.0)
        if response.status_code not in NO_FAULT_OF_OURS:
            case.validate_response(response, checks=[not_a_server_error])

    ask()
    return count
