"""Credentials in what is about to be published: found by the token patterns of their providers, kept by Kingfisher.

No guesses by entropy, and no network: the rules come with the library, and are compiled once for each version of it.
"""

from __future__ import annotations

import codecs
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hf_watch.errors import NotSettledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kingfisher_sdk import Scanner

log = structlog.get_logger()

SCANNED_BYTES = 1 << 20
BINARY_BYTES = 8_000  # a NUL among the first ones: binary, as git has it
CONTROL = bytes(sorted({*range(32), 127} - {*b"\t\n\f\r\x1b"}))
MOST_CONTROL = 0.02  # of a text; a tenth of random bytes
COMPILE = (sys.executable, "-P", "-m", "hf_watch.snapshots.credentials")  # and the directory for what was compiled
KEPT_S = 300.0  # the rules, after the last text: loading them again takes a third of a second
LOAD_S = 120.0  # compiling takes three seconds once, loading a third of one; a busy machine is slower


class Credentials:
    """Looks into texts, from any thread. The rules take 50 MB while texts come; `cache` keeps them compiled."""

    def __init__(self, cache: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._clock = clock
        self._used_at = 0.0
        self._loading = threading.Lock()
        self._scanner: Scanner | None = None
        self._compiler: subprocess.Popen[bytes] | None = None
        self._was_asked = False

    @property
    def are_awaited(self) -> bool:
        """Whether a text came while the rules are compiled; nothing can be said of it, or of others, before the end."""
        return self._was_asked and self._is_compiling

    @property
    def _is_compiling(self) -> bool:
        return self._compiler is not None and self._compiler.returncode is None

    def rule(self, content: bytes) -> str | None:
        """The name of the rule that finds a credential in the first MiB of a text; None for others, and for no text.

        NotSettledError while the rules are compiled beside: who waited in here could not be stopped.
        """
        text = as_text(content[:SCANNED_BYTES])
        if text is None:
            return None
        if self._is_compiling:
            self._was_asked = True
            raise NotSettledError("the rules for credentials are being compiled")
        found = [each.rule_id for each in self._loaded().scan(text) if each.visible]
        rule = min(found, default=None)  # what is not visible only helps to find others
        return None if rule is None else rule.partition(".")[2] or rule

    @contextmanager
    def compiled_beside(self) -> Iterator[None]:
        """On a first start the rules are compiled meanwhile, so that the first text does not wait for them.

        In a process of its own: compiling leaves 50 MB behind.
        """
        with ExitStack() as opened:
            if not any(self._cache.glob("*")):
                try:
                    self._compiler = compiler = subprocess.Popen([*COMPILE, self._cache], stdin=subprocess.DEVNULL)  # noqa: S603  ours
                except OSError as error:
                    log.debug("rules.failed", reason=str(error))  # then the first text waits
                else:
                    thread = threading.Thread(target=compiler.wait, name="credential rules")
                    thread.start()
                    opened.callback(thread.join)
                    opened.callback(compiler.kill)
            yield

    def rest(self) -> None:
        """Give back what the rules take when no text has come for a while; waits for nobody who loads them."""
        if not self._loading.acquire(blocking=False):
            return
        if self._scanner is not None and self._clock() - self._used_at >= KEPT_S:
            self._scanner = None
        self._loading.release()

    def _loaded(self) -> Scanner:
        with self._loading:
            self._used_at = self._clock()
            if self._scanner is None:
                from kingfisher_sdk import Rules, Scanner  # noqa: PLC0415  11 MB that not everybody needs

                self._scanner = Scanner(Rules(cache_dir=self._cache), base64=False)  # made where it can be
            return self._scanner


def as_text(content: bytes) -> bytes | None:
    """The beginning of a text as ASCII letters can be found in it; None when it is none.

    UTF-16 is a text where its byte order mark says so, as PowerShell's `>` and Notepad write it.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            content = codecs.getincrementaldecoder("utf-16")().decode(content).encode()  # the last letter may be cut
        except UnicodeDecodeError:
            return None
    return content if is_text(content[:BINARY_BYTES]) else None


def is_text(beginning: bytes) -> bool:
    """Whether a file that begins so may be a text: no NUL, as git has it, and hardly any other control characters."""
    if b"\0" in beginning:
        return False
    controls = len(beginning) - len(beginning.translate(None, CONTROL))
    return controls <= MOST_CONTROL * len(beginning)


if __name__ == "__main__":
    Credentials(Path(sys.argv[1])).rule(b"")
