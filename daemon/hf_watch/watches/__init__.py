"""Watching directories: hints about what changed below a root, and gaps where the kernel could not tell."""

from __future__ import annotations

from hf_watch.watches.root import Figures, ObserverName, RootWatch

__all__ = ["Figures", "ObserverName", "RootWatch"]
