"""What one target is told: the settings, already checked, and nothing it does not need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hf_watch.paths import join
from hf_watch.rules.filters import ANY_SIZE, NOTHING
from hf_watch.rules.grouping import group_of
from hf_watch.rules.plan import MostDeletes

if TYPE_CHECKING:
    from hf_watch.rules.filters import Filter, Sizes
    from hf_watch.rules.mapping import Mapping
    from hf_watch.rules.quiet import Quiet
    from hf_watch.settings.values import ReceiptsMode

USUAL_DELETES = MostDeletes(100, 0.1)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One watched root, where it goes, and how."""

    name: str
    source: str
    mapping: Mapping
    wanted: Filter
    quiet: Quiet
    max_wait_s: float
    publish_open: bool
    rescan_s: float
    poll_s: float
    on_delete: Literal["keep", "mirror"]
    group: Literal["none", "directory"] = "none"
    ready_marker: str = ""  # a group is complete when this file is in it; none: when it is quiet
    max_delete: MostDeletes = USUAL_DELETES
    root_marker: str = ""  # without this file the root counts as missing
    after_upload: Literal["keep", "archive", "delete"] = "keep"
    archive_dir: str = ""
    remove_empty_dirs: bool = False
    quarantine_dir: str = ""  # none: what cannot be published stays
    receipts: ReceiptsMode = "off"
    on_clash: Literal["set_aside", "newest"] = "set_aside"
    sizes: Sizes = ANY_SIZE
    allow_public: bool = True
    secrets: Literal["block", "warn", "off"] = "off"
    secrets_allow: Filter = NOTHING
    symlinks: Literal["ignore", "follow"] = "ignore"

    @property
    def follows_links(self) -> bool:
        """Whether what links inside the root lead to is published under their paths."""
        return self.symlinks == "follow"

    @property
    def puts_away(self) -> bool:
        """Whether a published file leaves the root."""
        return self.after_upload != "keep"

    def group_of(self, path: str) -> str:
        """The directory that the file is published with, in one commit; `""` when it goes by itself."""
        return group_of(path) if self.group == "directory" else ""

    def is_marker(self, path: str) -> bool:
        """Whether the file says that the directory that it is published with is complete."""
        return bool(self.ready_marker) and path == join(self.group_of(path), self.ready_marker)
