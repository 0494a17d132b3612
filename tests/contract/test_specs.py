"""What the settings come to: who shares a worker, and how much of the memory each worker has."""

from __future__ import annotations

from typing import Any

import pytest

from hf_watch.composition import specs
from hf_watch.settings.settings import Settings

MIB = 1 << 20


def _settings(*dests: str, **tables: dict[str, Any]) -> Settings:
    targets = [{"source": f"/srv/{number}", "dest": dest} for number, dest in enumerate(dests)]
    return Settings.model_validate({"target": targets, **tables})


@pytest.mark.parametrize("sharers", [1, 2, 3, 64])
@pytest.mark.parametrize("budget_bytes", [1 * MIB, 64 * MIB, 1_024 * MIB])
def test_all_that_workers_hold_is_within_the_budget(sharers: int, budget_bytes: int) -> None:
    inline_bytes = min(32 * MIB, budget_bytes)
    settings = _settings("hf://a/b", memory={"budget_bytes": budget_bytes, "inline_bytes": inline_bytes})
    share = specs.share(settings, sharers)
    for each in (share.commit_bytes, share.inline_bytes, share.stage_bytes * specs.STAGED_SHARE):
        assert 0 < each * sharers <= budget_bytes
    assert share.commit_bytes <= settings.commit.max_bytes
    assert share.inline_bytes <= inline_bytes


def test_alone_a_worker_has_what_the_settings_say() -> None:
    share = specs.share(_settings("hf://a/b"), 1)
    assert (share.commit_bytes, share.inline_bytes, share.stage_bytes) == (64 * MIB, 32 * MIB, 16 * MIB)


def test_targets_of_one_branch_share_a_worker_and_others_do_not() -> None:
    settings = _settings(
        "hf://datasets/a/b/x", "hf://datasets/a/b@main/y", "hf://datasets/a/b@next", "hf://a/b", "hf://datasets/a/c"
    )
    found = specs.destinations(settings, "https://hub.example")
    assert {str(each): [spec.source for _, spec in targets] for each, targets in found.items()} == {
        "hf://datasets/a/b@main": ["/srv/0", "/srv/1"],
        "hf://datasets/a/b@next": ["/srv/2"],
        "hf://a/b@main": ["/srv/3"],
        "hf://datasets/a/c@main": ["/srv/4"],
    }


def test_a_backlog_never_makes_commits_smaller_than_usual() -> None:
    size = specs.commit_size(_settings("hf://a/b", commit={"max_files": 7_000}))
    assert (size.usual, size.most, size.files) == (7_000, 7_000, 7_000)
    size = specs.commit_size(_settings("hf://a/b"))
    assert (size.usual, size.most, size.files) == (1_000, 5_000, 1_000)


def test_targets_are_said_to_meet_where_files_of_one_name_would() -> None:
    def meet(*targets: dict[str, str]) -> list[tuple[tuple[str, ...], str]]:
        named = [{"source": f"/srv/{number}", **each} for number, each in enumerate(targets)]
        found = specs.destinations(Settings.model_validate({"target": named}), "https://hub.example")
        return [(each.names, each.dest) for each in specs.shared_places(found)]

    here, there = "hf://datasets/a/b/x", "hf://datasets/a/b/y"
    assert meet({"dest": here}, {"dest": there}, {"dest": "hf://a/b/x"}) == []
    assert meet({"dest": here}, {"dest": there}, {"dest": f"{here}/"}) == [(("0", "2"), "hf://datasets/a/b@main/x")]
    assert meet({"dest": "hf://a/b"}, {"dest": "hf://a/b"}) == [(("0", "1"), "hf://a/b@main")]
    assert meet(*2 * [{"dest": here, "path_in_repo": "{name}"}])
    assert not meet(*2 * [{"dest": here, "path_in_repo": "{target}/{relpath}"}])
    assert not meet(*2 * [{"dest": here, "path_in_repo": "{sha256:.8}{suffix}"}])
