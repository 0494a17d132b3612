"""A real daemon, a local Hub and a real Chromium; whatever a page complains of fails its test."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright

from hf_watch.local_hub import Faults, LocalHub
from tests.running import running
from tests.steered import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

    from tests.running import Running

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCREENSHOTS = Path(__file__).parent / "screenshots"
PATIENCE_MS = 60_000
OPEN = {"HF_WATCH_HTTP__LISTEN": "127.0.0.1:0", "HF_WATCH_COMMIT__PER_HOUR": "0"}
TOOK_IT_ILL = ("status of 4", "status of 5")  # a refusal that the page shows is logged by the browser, too

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(name="browser", scope="session")
def _browser() -> Iterator[Browser]:
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"there is no {CHROMIUM}")
    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class World:
    """Where one test happens."""

    place: Place
    hub: LocalHub
    faults: Faults
    browser: Browser
    daemon: Running | None = None

    @contextmanager
    def shown(self, *, env: dict[str, str] | None = None, **context: Any) -> Iterator[Page]:
        """The daemon runs, and a page of its own shows it."""
        more = {**self.place.env, **OPEN, "HF_WATCH_ALLOW_PUBLIC": "true", **(env or {})}
        with self.place.running(env=more) as daemon, self._shown(daemon, **context) as page:
            yield page

    @contextmanager
    def shown_of(self, configuration: str) -> Iterator[Page]:
        """The same of a daemon with this configuration."""
        (self.place.directory / "hf-watch.toml").write_text(configuration)
        arguments = ["run", "--config", "hf-watch.toml", "--state-dir", str(self.place.state_dir)]
        log = self.place.directory / "log-of-configuration"
        with running(arguments, {**self.place.env, **OPEN}, log) as daemon, self._shown(daemon) as page:
            yield page

    @contextmanager
    def _shown(self, daemon: Running, **context: Any) -> Iterator[Page]:
        self.daemon = daemon
        [started] = daemon.wait_for("page.started")
        with self._page(started["url"], **context) as page:
            page.goto(started["url"])
            yield page
        assert daemon.stop() == 0

    @contextmanager
    def _page(self, url: str, **context: Any) -> Iterator[Page]:
        complaints: list[str] = []

        def see(request: Request) -> None:
            if not request.url.startswith(url):
                complaints.append(f"it asks for what is not its own: {request.url}")

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error" and not any(words in message.text for words in TOOK_IT_ILL):
                complaints.append(message.text)

        made = self.browser.new_context(**context)
        made.set_default_timeout(PATIENCE_MS)
        page = made.new_page()
        page.on("console", hear)
        page.on("request", see)
        page.on("filechooser", lambda _: None)  # from now on they are caught: asked for later it may come too late
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield page
        finally:
            made.close()
        assert complaints == []

    def read(self, path: str) -> bytes:
        return self.hub.read("dataset", "acme/drop", f"incoming/{path}")


@pytest.fixture(name="world")
def _world(tmp_path: Path, browser: Browser) -> Iterator[World]:
    faults = Faults()
    with LocalHub(tmp_path / "hub", open_namespaces=True, faults=faults) as hub:
        hub.create_repo("dataset", "acme/drop")
        yield World(Place(tmp_path, hub), hub, faults, browser)


def drag(page: Page, *paths: Path) -> None:
    """Let files or folders of this machine go over the drop area, as a file manager does."""
    expect(page.locator("#zone")).to_be_visible()
    box = page.locator("#zone").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})


def picture(page: Page, name: str) -> None:
    """For a person to look at."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
