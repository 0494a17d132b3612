"""The status page in a real browser: what is dropped there becomes a commit, and what goes wrong is seen and undone."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from playwright.sync_api import expect

from hf_watch.local_hub import Fault
from hf_watch.paths import decoded, encoded
from tests.browser.conftest import World, drag, picture
from tests.eventually import eventually
from tests.serving import Handler, website
from tests.steered import held

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

NASTY = "<img src=x onerror=window.hurt=1>.txt"
BAD_REQUEST = '{"error": "this file is not to the Hub\'s liking"}'


class _Files(Handler):
    """A web server with one file."""

    content: ClassVar[bytes] = b"from afar\n" * 1_000

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)


def test_a_dropped_file_becomes_a_commit_whose_link_shows_its_bytes(world: World, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    (tmp_path / "data.bin").write_bytes(content)
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        drag(page, tmp_path / "data.bin")
        row = page.locator("#drops li", has_text="data.bin")
        expect(row).to_contain_text("published")
        expect(page.locator("#drop-sum")).to_have_text("1 of 1 on the Hub")
        picture(page, "one-file")
        with page.expect_popup() as opened:
            row.get_by_role("link", name="commit").click()
        commit = opened.value
        commit.wait_for_load_state()
        expect(commit.locator("li", has_text="incoming/data.bin")).to_be_visible()
        address = row.get_by_role("link", name="file").get_attribute("href")
        assert address is not None
        assert page.context.request.get(address).body() == content
        expect(page.locator("#commits li")).to_have_count(1)
        expect(page.locator("#commits li a")).to_have_attribute("href", commit.url)
    assert world.read("data.bin") == content
    assert (world.place.drop / "data.bin").read_bytes() == content


def test_a_folder_of_two_hundred_files_keeps_its_shape(world: World, tmp_path: Path) -> None:
    for number in range(200):
        file = tmp_path / "run 7" / f"part{number % 5}" / f"{number:03}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        drag(page, tmp_path / "run 7")
        expect(page.locator("#drop-sum")).to_have_text("200 of 200 on the Hub")
        for number, (title, shape) in enumerate((("Files", ".bar"), ("Content", ".bar"), ("From change", ".dot"))):
            figure = page.locator("#charts figure").nth(number)
            expect(figure.locator("figcaption")).to_contain_text(title)
            expect(figure.locator("figcaption")).to_contain_text("(up to")
            expect(figure.locator(shape)).not_to_have_count(0)
        picture(page, "folder")
    assert len(held(world.hub)) == 200
    assert world.read("run 7/part3/198.txt") == b"198"


def test_a_url_is_fetched_when_that_is_allowed_and_refused_with_a_reason_when_not(world: World) -> None:
    with website(_Files) as site, world.shown(env={"HF_WATCH_HTTP__FETCH_PRIVATE": "true"}) as page:
        page.get_by_label("Address to fetch").fill(f"{site}/far/report.txt?x=1")
        page.get_by_role("button", name="Fetch").click()
        expect(page.locator("#drops li", has_text="report.txt")).to_contain_text("published")
    assert world.read("report.txt") == _Files.content
    with website(_Files) as site, world.shown() as page:
        page.get_by_label("Address to fetch").fill(f"{site}/secret.txt")
        page.get_by_role("button", name="Fetch").click()
        expect(page.locator("#drops li", has_text="secret.txt")).to_contain_text("address of this machine")
    assert held(world.hub) == {"report.txt"}


def test_what_the_hub_refuses_is_shown_with_its_reason_and_tried_again(world: World) -> None:
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        world.faults.add("/commit/", Fault(status=400, body=BAD_REQUEST))
        (world.place.drop / "bad.csv").write_text("1,2")
        aside = page.locator("#aside li", has_text="bad.csv")
        expect(aside).to_contain_text("not to the Hub's liking")
        expect(page.locator("#health")).to_have_text("degraded")
        expect(page.locator("#problems")).to_contain_text("1 file in quarantine")
        picture(page, "quarantine")
        aside.get_by_role("button", name="Retry").click()
        expect(page.locator("#health")).to_have_text("healthy")
        expect(page.locator("#aside")).to_have_text("Nothing is set aside.")
    assert world.read("bad.csv") == b"1,2"


def test_what_is_late_is_said_with_why(world: World) -> None:
    world.faults.add("/commit/", Fault(status=503), times=None)
    with world.shown(env={"HF_WATCH_HEALTH__MAX_LAG_S": "1"}) as page:
        expect(page.locator("#health")).to_have_text("healthy")
        (world.place.drop / "late.csv").write_text("1,2")
        expect(page.locator("#health")).to_have_text("late")
        expect(page.locator("#problem-list")).to_contain_text("s behind, 1 s are allowed")
        expect(page.locator("#targets")).to_contain_text("waits: 503")
        expect(page).to_have_title("(late) hf-watch")
        picture(page, "late")
        world.faults.clear()
        expect(page.locator("#health")).to_have_text("healthy")
        expect(page.locator("#problems")).to_be_hidden()
    assert world.read("late.csv") == b"1,2"


TWO_TARGETS = """
[[target]]
source = "one"
dest = "hf://datasets/acme/drop/one"
allow_public = true
[[target]]
source = "two"
dest = "hf://datasets/acme/drop/two"
allow_public = true
"""


def test_what_is_dropped_goes_to_the_target_that_was_chosen_and_is_seen_on_its_way(
    world: World, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (world.place.directory / name).mkdir()
    (tmp_path / "data.bin").write_bytes(bytes(3_000_000))
    world.faults.add("/commit/", Fault(hang=True))
    with world.shown_of(TWO_TARGETS) as page:
        expect(page.locator(".card")).to_have_count(2)
        _slow_down(page, bytes_per_s=1_000_000)
        page.get_by_label("into").select_option("two")
        drag(page, tmp_path / "data.bin")
        row = page.locator("#drops li")
        expect(row).to_contain_text(re.compile(r"sending, [1-9][0-9]? %"))
        assert 0.0 < float(row.locator("progress").get_attribute("value") or 0.0) < 1.0
        expect(row).to_contain_text("waiting for its commit")
        expect(row.locator("progress")).to_be_visible()
        assert row.locator("a").count() == 0
        eventually(lambda: world.faults.met, "the commit is under way")
        world.faults.release()
        expect(row.get_by_role("link", name="commit")).to_be_visible()
        expect(row.locator("progress")).to_be_hidden()
    assert [each for each in world.hub.files("dataset", "acme/drop") if each.endswith(".bin")] == ["two/data.bin"]


def _slow_down(page: Page, bytes_per_s: int) -> None:
    """What the page sends goes no faster."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_s},
    )


def test_pause_and_resume(world: World) -> None:
    with world.shown() as page:
        page.get_by_role("button", name="Pause drop").click()
        expect(page.locator(".card .badge")).to_have_text("paused")
        (world.place.drop / "later.txt").write_text("later")
        expect(page.locator(".card dd").first).to_have_text("1")
        assert held(world.hub) == set()
        picture(page, "paused")
        page.get_by_role("button", name="Resume drop").click()
        eventually(lambda: held(world.hub) == {"later.txt"}, "it is published")
        expect(page.locator(".card .badge")).to_have_text("watching")


def test_a_name_that_is_markup_is_shown_as_text(world: World, tmp_path: Path) -> None:
    (tmp_path / NASTY).write_text("harmless")
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        drag(page, tmp_path / NASTY)
        expect(page.locator("#drops li .path")).to_have_text(NASTY)
        expect(page.locator("#drops li")).to_contain_text("published")
        world.faults.add("/commit/", Fault(status=400, body=BAD_REQUEST))
        (world.place.drop / f"2{NASTY}").write_text("harmless, too")
        expect(page.locator("#aside li .path")).to_have_text(f"2{NASTY}")
        assert page.locator("main img").count() == 0
        assert page.evaluate("window.hurt") is None
        picture(page, "nasty-name")
    assert world.read(NASTY) == b"harmless"


def test_retry_tries_exactly_that_file_again_whatever_its_name_holds(world: World) -> None:
    unpublishable = [os.fsdecode(b"\xff.txt"), "\\udcff.txt", "a\\nb", "\\u202etxt.exe"]  # not by the Hub, ever
    publishable = [
        "a\nb", "\u202etxt.exe", "%FF.txt", "a?b", "a%2Fb", "a#b", "a+b&c=d", " leading space", '"quoted"', NASTY,
    ]  # fmt: skip
    world.faults.add("/commit/", Fault(status=400, body=BAD_REQUEST), times=None)
    for name in [*unpublishable, *publishable]:
        (world.place.drop / name).write_bytes(os.fsencode(name))
    with world.shown() as page:
        rows = page.locator("#aside li")
        expect(rows).to_have_count(len(unpublishable) + len(publishable))
        assert all(shown.isprintable() for shown in rows.locator(".path").all_text_contents())
        for name, shown in (("a\nb", "a\\nb"), (unpublishable[0], "\\udcff.txt")):
            row = rows.filter(has=_retry_button(page, name))
            expect(row.locator(".path").first).to_have_text(shown)
            expect(row).to_contain_text(f"exactly: {encoded(name)}")
        expect(rows.filter(has=_retry_button(page, "\\udcff.txt"))).not_to_contain_text("exactly")
        picture(page, "odd-names")
        world.faults.clear()
        for done, name in enumerate(publishable, 1):
            _retry_button(page, name).click()
            expect(rows).to_have_count(len(unpublishable) + len(publishable) - done)
            _until_held(world, publishable[:done])
        for name in unpublishable:
            expected = _set_aside(world) + Counter([name])
            _retry_button(page, name).click()
            _until_set_aside(world, expected)
        assert page.evaluate("window.hurt") is None
    assert held(world.hub) == set(publishable)


def _retry_button(page: Page, name: str) -> Locator:
    return page.locator(f'[data-key="retry drop {encoded(name)}"]')


def _until_held(world: World, names: list[str]) -> None:
    eventually(lambda: held(world.hub) == set(names), "that one, and no other")


def _until_set_aside(world: World, names: Counter[str]) -> None:
    eventually(lambda: _set_aside(world) == names, "that one, and no other")


def _set_aside(world: World) -> Counter[str]:
    """How often each file was, by its exact name."""
    assert world.daemon is not None
    told = world.daemon.events("path.quarantined")
    return Counter(decoded(each["path_encoded"]) if "path_encoded" in each else each["path"] for each in told)


def test_a_file_that_is_there_already_is_replaced_only_when_that_is_said(world: World, tmp_path: Path) -> None:
    (world.place.drop / "a.txt").write_text("old")
    (tmp_path / "a.txt").write_text("new and longer")
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        drag(page, tmp_path / "a.txt")
        row = page.locator("#drops li", has_text="a.txt")
        expect(row).to_contain_text("is there already")
        assert (world.place.drop / "a.txt").read_text() == "old"
        row.get_by_role("button", name="Replace").click()
        expect(row).to_contain_text("published")
    assert world.read("a.txt") == b"new and longer"


def test_an_answer_of_a_proxy_that_is_no_json_is_told_by_its_status(world: World, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"content")
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        page.route("**/v1/upload?*", lambda route: route.fulfill(status=413, body="<h1>Too large</h1>"))
        drag(page, tmp_path / "data.bin")
        row = page.locator("#drops li", has_text="data.bin")
        expect(row).to_contain_text("status 413")
        page.unroute("**/v1/upload?*")
        page.route("**/v1/pause", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#notice")).to_have_text("status 502")
        row.get_by_role("button", name="Try again").click()
        expect(row).to_contain_text("published")
    assert world.read("data.bin") == b"content"


def test_the_keyboard_is_enough(world: World, tmp_path: Path) -> None:
    (tmp_path / "typed.txt").write_text("typed")
    with world.shown() as page:
        expect(page.locator("#health")).to_have_text("healthy")
        _tab_to(page, "Choose files")
        with page.expect_file_chooser() as choosing:
            page.keyboard.press("Enter")
        choosing.value.set_files(tmp_path / "typed.txt")
        expect(page.locator("#drops li")).to_contain_text("published")
        _tab_to(page, "Pause")
        picture(page, "keyboard-focus")
        page.keyboard.press("Enter")
        expect(page.locator(".card .badge")).to_have_text("paused")
        focused = page.evaluate("document.activeElement.textContent")
        assert focused == "Resume", "the focus is lost when the page draws itself anew"
        page.keyboard.press("Space")
        expect(page.locator(".card .badge")).to_have_text("watching")


def _tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == text:
            return
    raise AssertionError(f"no number of tabs leads to {text!r}")


def test_it_fits_a_narrow_screen_in_the_dark(world: World, tmp_path: Path) -> None:
    long_name = "a-name-without-any-place-to-break-it-" * 5 + ".txt"
    (tmp_path / long_name).write_text("long")
    with world.shown(viewport={"width": 360, "height": 740}, color_scheme="dark") as page:
        expect(page.locator("#health")).to_have_text("healthy")
        drag(page, tmp_path / long_name)
        expect(page.locator("#drops li")).to_contain_text("published")
        world.faults.add("/commit/", Fault(status=400, body=BAD_REQUEST))
        (world.place.drop / f"2{long_name}").write_text("long")
        expect(page.locator("#aside li")).to_contain_text("not to the Hub's liking")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        picture(page, "narrow-dark")
        page.emulate_media(color_scheme="light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        picture(page, "narrow-light")


def test_a_page_that_needs_a_token_asks_for_it(world: World, tmp_path: Path) -> None:
    token = "correct-horse-battery"  # noqa: S105  of this test alone
    (tmp_path / "token").write_text(token + "\n")
    with world.shown(env={"HF_WATCH_HTTP__TOKEN_FILE": str(tmp_path / "token")}) as page:
        field = page.get_by_label("This page needs the token")
        for said in ("wrong-horse-battery", token):
            expect(page.locator("#main")).to_be_hidden()
            field.fill(said)
            page.get_by_role("button", name="Open").click()
            if said != token:
                expect(page.locator("#token-refused")).to_be_visible()
                picture(page, "token")
        expect(page.locator("#health")).to_have_text("healthy")
        page.locator("#files").set_input_files(tmp_path / "token")
        expect(page.locator("#drops li")).to_contain_text("published")
