"""The pictures of the status page, from the real page in a real Chromium; without one the old pictures stay."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

from hf_watch.local_hub import Fault, Faults, LocalHub
from tests.browser.conftest import CHROMIUM, FLAGS, drag
from tests.steered import Place

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = Path(__file__).with_name("pictures")
REFUSAL = '{"error": "this file is not to the Hub\'s liking"}'
PAGE = {
    "HF_WATCH_HTTP__LISTEN": "127.0.0.1:0",
    "HF_WATCH_COMMIT__PER_HOUR": "0",
    "HF_WATCH_SECRETS": "off",  # compiling its rules for the first time would be all that the chart shows
}
FILES = 4


def main() -> None:
    if shutil.which(CHROMIUM) is None:
        sys.stderr.write(f"there is no {CHROMIUM}: the pictures of the page stay as they are\n")
    else:
        _take_all()


def _take_all() -> None:
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        faults = Faults()
        with LocalHub(Path(name) / "hub", open_namespaces=True, faults=faults) as hub:
            hub.create_repo("dataset", "acme/drop", private=True)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            _take(Place(Path(name), hub), faults, browser)
            browser.close()


def _take(place: Place, faults: Faults, browser: Browser) -> None:
    with place.running(env={**place.env, **PAGE}) as daemon:
        [started] = daemon.wait_for("page.started")
        wide = browser.new_page(viewport={"width": 800, "height": 700}, color_scheme="light")
        wide.goto(started["url"])
        drag(wide, _folder(place.directory / "run-7"))
        expect(wide.locator("#drop-sum")).to_have_text(f"{FILES} of {FILES} on the Hub")
        faults.add("/commit/", Fault(status=422, body=REFUSAL), times=None)
        (place.drop / "broken.bin").write_bytes(b"?")
        daemon.wait_for("path.quarantined")
        expect(wide.locator("#quarantine")).to_contain_text("broken.bin")
        wide.screenshot(path=PICTURES / "page.png", full_page=True)
        narrow = browser.new_page(viewport={"width": 360, "height": 640}, color_scheme="dark")
        narrow.goto(started["url"])
        expect(narrow.locator("#quarantine")).to_contain_text("broken.bin")
        narrow.screenshot(path=PICTURES / "page-narrow.png")
        daemon.stop()


def _folder(folder: Path) -> Path:
    folder.mkdir()
    for number in range(1, FILES + 1):
        (folder / f"part-{number:02}.csv").write_text("time,value\n" * 100 * number)
    return folder


if __name__ == "__main__":
    main()
