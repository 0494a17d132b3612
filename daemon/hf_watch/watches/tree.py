"""The watched directories as a tree of nodes, so that a rename moves one node and every path below it is right.

Pure. Names are bytes, as the kernel gives them. A node is known by its watch descriptor, which stands for its inode;
the tree follows the disk with the delay of the event queue, so a place may be wrong for a while, never for long:
where an inode is seen again at another place, the new place wins.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Unwatched(IntEnum):
    """Why a directory in the tree has no watch; negative, where the others have their watch descriptor."""

    PENDING = -1  # not tried yet
    BLIND = -2  # the kernel sees no changes here
    FULL = -3  # no watch was to be had
    FORBIDDEN = -4
    REFUSED = -5  # whatever else the kernel had against it


class Standing(Enum):
    """How a directory that was looked at stands to what the tree knew."""

    NEW = "new"
    KEPT = "kept"
    MOVED = "moved"  # known from another place, or from none


class Node:
    """One directory."""

    __slots__ = ("children", "name", "parent", "wd")

    def __init__(self, wd: int) -> None:
        self.wd = wd
        self.parent: Node | None = None
        self.name = b""
        self.children: dict[bytes, Node] | None = None  # most directories have none below them

    def child(self, name: bytes) -> Node | None:
        """The directory known under that name."""
        return self.children.get(name) if self.children else None

    def names(self) -> list[bytes]:
        """The names of the directories known in it."""
        return list(self.children or ())


class Tree:
    """Nodes by place and by watch descriptor."""

    def __init__(self) -> None:
        self.root = Node(Unwatched.PENDING)
        self.by_wd: dict[int, Node] = {}

    def take_root(self, wd: int) -> None:
        """The root is watched as `wd`."""
        self.root.wd = wd
        self.by_wd[wd] = self.root

    def path(self, node: Node) -> bytes | None:
        """Its path relative to the root, b"" for the root; None while its place is unknown."""
        names = []
        while node is not self.root:
            if node.parent is None:
                return None
            names.append(node.name)
            node = node.parent
        return b"/".join(reversed(names))

    def find(self, path: bytes) -> Node | None:
        """The directory known at a path relative to the root."""
        node: Node | None = self.root
        for name in path.split(b"/") if path else ():
            node = node.child(name) if node is not None else None
        return node

    def below(self, node: Node, other: Node) -> bool:
        """Whether `node` is `other` or lies below it."""
        at: Node | None = node
        while at is not None and at is not other:
            at = at.parent
        return at is other

    def place(self, parent: Node, name: bytes, wd: int) -> tuple[Node, Standing]:
        """Note that the directory watched as `wd` stands at this place, which must be empty or its own."""
        node = self.by_wd.get(wd)
        if node is not None and node.parent is parent and node.name == name:
            return node, Standing.KEPT
        standing = Standing.NEW if node is None else Standing.MOVED
        if node is None:
            node = self.by_wd[wd] = Node(wd)
        self.detach(node)
        self._attach(parent, name, node)
        return node, standing

    def place_unwatched(self, parent: Node, name: bytes, why: Unwatched) -> Node:
        """Note a directory that has no watch at this place, which must be empty."""
        node = Node(why)
        self._attach(parent, name, node)
        return node

    def detach(self, node: Node) -> None:
        """Take a node, with all below it, from its place."""
        if node.parent is not None and node.parent.children is not None:
            del node.parent.children[node.name]
        node.parent = None

    def drop(self, node: Node) -> list[Node]:
        """Forget a node and all below it; returns them, each without a place from now on."""
        self.detach(node)
        dropped = [node]
        for each in dropped:  # grows while it is walked: no recursion, however deep
            if each.children:
                dropped.extend(each.children.values())
        for each in dropped:
            self.by_wd.pop(each.wd, None)
            each.parent = each.children = None
        return dropped

    def _attach(self, parent: Node, name: bytes, node: Node) -> None:
        if parent.children is None:
            parent.children = {}
        parent.children[name] = node
        node.parent, node.name = parent, name
