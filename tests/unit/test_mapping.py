"""From a local path to the one in the repo, and back."""

from __future__ import annotations

import os

import pytest
from huggingface_hub import CommitOperationAdd
from hypothesis import given
from hypothesis import strategies as st

from hf_watch.rules.mapping import FIELDS, PLAIN, Content, Mapping, Unpublishable, local_path, repo_path

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


@given(PREFIXES, RELATIVE)
def test_what_is_mapped_comes_back_and_the_client_takes_it_as_it_is(prefix: str, path: str) -> None:
    in_repo = mapped(prefix, path)
    if in_repo is not None:
        assert local_path(prefix, in_repo) == path
        assert CommitOperationAdd(in_repo, b"").path_in_repo == in_repo


@given(PREFIXES, RELATIVE, RELATIVE)
def test_two_paths_never_become_one(prefix: str, path: str, other: str) -> None:
    if path != other and (in_repo := mapped(prefix, path)) is not None:
        assert mapped(prefix, other) != in_repo


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
        ("a/.GIT/b", "'.GIT'"),
    ],
)
def test_what_the_hub_cannot_hold_is_refused_with_the_reason(path: str, said: str) -> None:
    with pytest.raises(Unpublishable, match=said):
        repo_path("in", path)


@pytest.mark.parametrize("path", ["a\nb", " ", ".gitignore", "a.git", "ü", "a" * 255])
def test_what_the_hub_can_hold_keeps_its_name(path: str) -> None:
    assert repo_path("in", path) == f"in/{path}"


FORMS = {"sha256": ["", ":.1", ":.8", ":.64"], "mtime": [":%Y/%m/%d", ":%H%M%S"], "now": [":%Y-%m", ":%j"]}
PIECES = st.sampled_from([f"{{{name}{form}}}" for name in FIELDS for form in FORMS.get(name, [""])])
TEXTS = st.text(alphabet="ab/.-_ {}%ü", max_size=4).map(lambda text: text.replace("{", "{{").replace("}", "}}"))
TEMPLATES = st.lists(PIECES | TEXTS, min_size=1, max_size=5).map("".join)
CONTENTS = st.builds(
    Content,
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.integers(-(1 << 63), (1 << 63) - 1),  # whatever a file system dates a file
    st.integers(0, 1 << 62),
)


def parsed(prefix: str, template: str) -> Mapping | None:
    try:
        return Mapping(prefix, template, "drop", "host")
    except ValueError:
        return None


@given(PREFIXES, TEMPLATES, RELATIVE, CONTENTS)
def test_what_a_template_renders_the_client_takes_as_it_is(
    prefix: str, template: str, path: str, content: Content
) -> None:
    mapping = parsed(prefix, template)
    try:
        in_repo = mapping.repo_path(path, content) if mapping is not None else None
    except Unpublishable:
        return
    if in_repo is not None:
        assert in_repo.startswith(f"{prefix}/" if prefix else "")
        assert CommitOperationAdd(in_repo, b"").path_in_repo == in_repo
        assert "" not in in_repo.removeprefix(prefix + "/").split("/")


@given(TEMPLATES, RELATIVE, CONTENTS, CONTENTS)
def test_a_template_that_is_fixed_does_not_look_at_the_content(
    template: str, path: str, one: Content, other: Content
) -> None:
    mapping = parsed("in", template)
    if mapping is not None and mapping.is_fixed:
        assert _rendered(mapping, path, one) == _rendered(mapping, path, other)


@given(PREFIXES, RELATIVE)
def test_the_default_keeps_every_place(prefix: str, path: str) -> None:
    assert _rendered(Mapping(prefix), path, Content("", 0, 0)) == mapped(prefix, path)


@given(PREFIXES, PREFIXES, TEMPLATES, TEMPLATES)
def test_no_two_mappings_have_one_key(prefix: str, other_prefix: str, template: str, other_template: str) -> None:
    one, other = parsed(prefix, template), parsed(other_prefix, other_template)
    if one is not None and other is not None:
        assert (one.key == other.key) == ((prefix, template) == (other_prefix, other_template))


def _rendered(mapping: Mapping, path: str, content: Content) -> str | None:
    try:
        return mapping.repo_path(path, content)
    except Unpublishable:
        return None


AT = Content("0123456789abcdef" * 4, 1_746_144_000_000_000_000, 1_780_272_000_000_000_000)  # 2025-05-02, 2026-06-01


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (PLAIN, "run/a.tar.gz"),
        ("{name}", "a.tar.gz"),
        ("{stem}+{suffix}", "a.tar+.gz"),
        ("{parent}/x/{name}", "run/x/a.tar.gz"),
        ("/{host}//{target}/{name}", "host/drop/a.tar.gz"),
        ("{sha256:.2}/{sha256}{suffix}", f"01/{'0123456789abcdef' * 4}.gz"),
        ("{mtime:%Y/%m/%d}/{now:%Y-%m}/{name}", "2025/05/02/2026-06/a.tar.gz"),
        ("{{{stem}}}%", "{a.tar}%"),
    ],
)
def test_each_field_means_what_the_readme_says(template: str, expected: str) -> None:
    assert Mapping("", template, "drop", "host").repo_path("run/a.tar.gz", AT) == expected


def test_a_file_in_the_root_has_no_parent() -> None:
    assert Mapping("in", "{parent}/x/{name}").repo_path("a") == "in/x/a"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{nmae}", "unknown; allowed are {relpath}"),
        ("{0}", "unknown"),
        ("{}", "unknown"),
        ("{name!r}", "unknown"),
        ("{name.__class__}", "unknown"),
        ("{name:>8}", "takes no format"),
        ("{sha256:8}", "64 letters"),
        ("{sha256:.65}", "64 letters"),
        ("{sha256:.0}", "64 letters"),
        ("{mtime}", "takes a format"),
        ("{now:%c}", "takes a format"),
        ("{now:{name}}", "takes a format"),
        ("{name", "cannot be read"),
        ("name}", "cannot be read"),
        ("latest", "names no field"),
        ("", "names no field"),
        ("a/../{name}", "refuses"),
    ],
)
def test_a_template_that_is_none_is_refused_with_what_is_allowed(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Mapping("", template)


def test_what_only_a_file_s_own_name_makes_unpublishable_is_its_own_matter() -> None:
    with pytest.raises(Unpublishable, match=r"'\.git'"):
        Mapping("", "{stem}/a").repo_path(".git.x")
