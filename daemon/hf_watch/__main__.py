"""Where the command begins: it says what is missing before anything is imported that exists on Linux only."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """The console script."""
    if sys.platform != "linux":
        sys.exit("hf-watch: it runs on Linux only, where the kernel tells about changes and about writers")
    from hf_watch.cli.main import main as begin  # noqa: PLC0415  as above

    begin()


if __name__ == "__main__":
    main()
