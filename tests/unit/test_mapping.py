"""From a local path to the one in the repo, and back."""

from __future__ import annotations

import os

import pytest
from huggingface_hub import CommitOperationAdd
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_watch.mapping import Unpublishable, local_path, repo_path

ODD = st.sampled_from([".git", ".cache", ".", "..", "a", "a\\b", "\n", " ", "~", "..a", ".gitignore", "ü", "%2F"])
SEGMENTS = ODD | st.binary(min_size=1, max_size=4).map(
    lambda raw: os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"_"))
)
RELATIVE = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
PREFIXES = st.sampled_from(["", "a", "a/b", "incoming", "\n"])


def mapped(prefix: str, path: str) -> str | None:
    try:
        return repo_path(prefix, path)
    except Unpublishable:
        return None


@settings(max_examples=150)
@given(PREFIXES, RELATIVE)
def test_what_is_mapped_comes_back_and_the_client_takes_it_as_it_is(prefix: str, path: str) -> None:
    in_repo = mapped(prefix, path)
    if in_repo is not None:
        assert local_path(prefix, in_repo) == path
        assert CommitOperationAdd(in_repo, b"").path_in_repo == in_repo


@settings(max_examples=60)
@given(PREFIXES, RELATIVE, RELATIVE)
def test_two_paths_never_become_one(prefix: str, path: str, other: str) -> None:
    if path != other and (in_repo := mapped(prefix, path)) is not None:
        assert mapped(prefix, other) != in_repo


@settings(max_examples=60)
@given(PREFIXES, RELATIVE)
def test_what_lies_elsewhere_in_the_repo_is_nobody_s(prefix: str, in_repo: str) -> None:
    path = local_path(prefix, in_repo)
    if path is None:
        assert prefix
        assert not in_repo.startswith(prefix + "/")
    else:
        assert (f"{prefix}/{path}" if prefix else path) == in_repo


@pytest.mark.parametrize("in_repo", ["b/a/c", "a", "ab/c", "a-/c"])
def test_only_what_lies_below_the_prefix_has_a_local_path(in_repo: str) -> None:
    assert local_path("a", in_repo) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a/\udcff", "not UTF-8"),
        (".git/config", "'.git'"),
        ("a/.cache/b", "'.cache'"),
        ("a/.git", "'.git'"),
    ],
)
def test_what_the_hub_cannot_hold_is_refused_with_the_reason(path: str, said: str) -> None:
    with pytest.raises(Unpublishable, match=said):
        repo_path("in", path)


@pytest.mark.parametrize("path", ["a\\b", "a\nb", " ", ".gitignore", "a.git", "ü", "a" * 255])
def test_what_the_hub_can_hold_keeps_its_name(path: str) -> None:
    assert repo_path("in", path) == f"in/{path}"
