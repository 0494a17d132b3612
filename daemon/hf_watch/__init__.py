"""Watch directories and publish what settles there to Hugging Face Hub repos."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_watch.embedding.watching import watch

__all__ = ["__version__", "watch"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`watch`, imported when it is asked for: the command has no use for it."""
    if name != "watch":
        raise AttributeError(name)
    from hf_watch.embedding.watching import watch  # noqa: PLC0415  as above

    return watch
