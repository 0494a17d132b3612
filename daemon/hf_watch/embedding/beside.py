"""The command as a companion of another program: it ends, as on SIGTERM, when its standard input does."""

from __future__ import annotations

import os
import signal
import sys
import threading

from hf_watch.cli.main import main
from hf_watch.process.service import block_signals


def _end_with_host() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    block_signals()  # before this thread, too: the main thread awaits them
    threading.Thread(target=_end_with_host, name="host", daemon=True).start()  # a read that may never end
    main()
