"""The tree of watched directories against a plain model: a set of paths that are renamed by their prefix."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hf_watch.watches.tree import Node, Standing, Tree, Unwatched

NAMES = st.sampled_from([b"a", b"b", b"c", b"\xff"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["place", "detach", "drop"]), st.integers(0, 12), st.integers(0, 12), NAMES), max_size=40
)


def path_by_hand(tree: Tree, node: Node) -> bytes | None:
    if node is tree.root:
        return b""
    above = path_by_hand(tree, node.parent) if node.parent is not None else None
    return None if above is None else b"/".join(part for part in (above, node.name) if part)


@settings(derandomize=True)
@given(STEPS)
def test_whatever_moves_the_tree_stays_one(steps: list[tuple[str, int, int, bytes]]) -> None:
    tree = Tree()
    tree.take_root(0)
    for act, wd, parent_wd, name in steps:
        node, parent = tree.by_wd.get(wd), tree.by_wd.get(parent_wd)
        if act == "place" and parent is not None and wd and (node is None or not tree.below(parent, node)):
            if parent.child(name) not in {None, node}:
                continue
            placed, _ = tree.place(parent, name, wd)
            assert placed is parent.child(name)
        elif node is not None and node is not tree.root:
            if act == "detach":
                tree.detach(node)
                assert tree.path(node) is None
            elif act == "drop":
                assert wd in {each.wd for each in tree.drop(node)}
                assert wd not in tree.by_wd
    for wd, node in tree.by_wd.items():
        assert node.wd == wd
        assert tree.path(node) == path_by_hand(tree, node)
        assert all(tree.by_wd[below.wd] is below for below in (node.children or {}).values())
        if node.parent is not None:
            assert node.parent.child(node.name) is node


def test_a_rename_moves_all_below() -> None:
    tree = Tree()
    tree.take_root(0)
    a, _ = tree.place(tree.root, b"a", 1)
    b, _ = tree.place(a, b"b", 2)
    c, standing = tree.place(b, b"c", 3)
    assert standing is Standing.NEW
    assert tree.path(c) == b"a/b/c"
    assert tree.place(tree.root, b"x", 2) == (b, Standing.MOVED)
    assert tree.path(c) == b"x/c"
    assert tree.place(tree.root, b"x", 2) == (b, Standing.KEPT)
    assert a.child(b"b") is None


def test_however_deep() -> None:
    tree = Tree()
    tree.take_root(0)
    node = tree.root
    for wd in range(1, 5_000):
        node, _ = tree.place(node, b"d", wd)
    assert tree.path(node) == b"/".join([b"d"] * 4_999)
    top = tree.root.child(b"d")
    assert top is not None
    assert len(tree.drop(top)) == 4_999
    assert list(tree.by_wd) == [0]


def test_what_has_no_watch_has_a_place() -> None:
    tree = Tree()
    tree.take_root(0)
    node = tree.place_unwatched(tree.root, b"net", Unwatched.BLIND)
    assert tree.path(node) == b"net"
    assert list(tree.by_wd) == [0]
    assert tree.drop(node) == [node]
    assert tree.path(node) is None
