"""What the client's transfer library remembers to have sent, on the disk, for weeks, and for all processes of a user.

It skips what it remembers. A Hub that lost that content, or a new one at the same address, never gets it then.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from huggingface_hub import constants

VARIABLE = "HF_XET_CACHE"  # read by the library at each upload
REMEMBERED = "*/shard-cache/*"  # a directory an address


def forget_sent() -> None:
    """Let the next upload find out from the Hub alone what need not be sent: it is a cache, and nothing is lost."""
    cache = Path(os.environ.get(VARIABLE) or constants.HF_XET_CACHE)
    for place in cache.glob(REMEMBERED):
        with suppress(OSError):  # gone, or not ours to remove: what the Hub misses goes another way in any case
            place.unlink()
