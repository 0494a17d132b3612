"""Watch directories and publish what settles there to Hugging Face Hub repos."""

from typing import TYPE_CHECKING

from hf_watch.version import __version__

if TYPE_CHECKING:
    from hf_watch.embedding.watching import NotPublishedError, watch

__all__ = ["NotPublishedError", "__version__", "watch"]


def __getattr__(name: str) -> object:
    """What is for Python programs, imported when it is asked for: the command has no use for it."""
    if name not in __all__:
        raise AttributeError(name)
    from hf_watch.embedding import watching  # noqa: PLC0415  as above

    return getattr(watching, name)
