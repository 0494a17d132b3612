"""The status as it was told last: who asks within a moment of it is told the same, however many they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hf_watch.control.contract import StatusView

SAME_S = 0.1  # no person sees the difference; a hundred clients that ask every two seconds cost a fifth


class Told:
    """What was told last, of what, and when."""

    def __init__(self) -> None:
        self._view: StatusView | None = None
        self._about: object = None
        self._at = 0.0

    def forget(self) -> None:
        """Look again when somebody asks next."""
        self._view = None

    def again(self, about: object, now: float, look: Callable[[], StatusView]) -> StatusView:
        """What was told before, while `about` is the same and SAME_S have not passed; else what `look` sees."""
        if self._view is None or about != self._about or not 0.0 <= now - self._at < SAME_S:
            self._view, self._about, self._at = look(), about, now
        return self._view
