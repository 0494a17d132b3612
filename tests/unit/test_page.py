"""The page's pure parts: which addresses are public, the last hour, what became of a drop, where it may listen."""

from __future__ import annotations

import ipaddress
import re
from importlib import resources

import pytest

from hf_watch.ledger.records import Made
from hf_watch.page.drops import Drop, Drops
from hf_watch.page.fetching import is_public
from hf_watch.page.recent import Minute, Recent, Totals, past_minutes
from hf_watch.page.routes import FILES
from hf_watch.settings.values import split_address
from hf_watch.threads.measured import Delivery, Published, SetAside, Skipped

DELIVERY = Delivery("drop", "a.txt", "in/a.txt", 3, is_delete=False, settle_s=1.0, queue_s=1.0, visible_s=2.0)


def test_the_page_is_made_of_its_own_files_alone() -> None:
    for name, _ in FILES.values():
        text = resources.files("hf_watch.page").joinpath("static", name).read_text()
        named = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"'`]*", text)) - {"http://www.w3.org/2000/svg"}
        assert not named, name
        assert not re.search(r"@import|url\(", text), name
        assert set(re.findall(r"^import .* from \"(.*)\";$", text, re.MULTILINE)) <= FILES.keys()
    page = resources.files("hf_watch.page").joinpath("static", "index.html").read_text()
    asked = set(re.findall(r"(?:src|href)=\"([^\"#]+)\"", page))
    assert asked == FILES.keys() - {"/", "/chart.js", "/drop.js"}
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page), "the policy would not let it"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.1", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("240.0.0.1", False), ("::1", False), ("::", False), ("fe80::1", False),
        ("fc00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False), ("::ffff:10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
    ],
)  # fmt: skip
def test_which_addresses_are_anybodys(address: str, *, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


def test_the_last_hour_is_sixty_minutes_and_the_one_under_way() -> None:
    recent = Recent(Totals(0, 0, 0.0, 0))
    for number in range(1, 101):
        recent.mark(Totals(number, 10 * number, 0.5 * number, number))
    minutes = recent.minutes(Totals(103, 1_000, 50.0, 100))
    assert len(minutes) == 60
    assert minutes[0] == Minute(1, 10, 0.5)
    assert minutes[-1] == Minute(3, 0, None)


def test_what_a_former_process_published_is_in_the_hour_too_until_it_is_over() -> None:
    made = [Made("c", 10_000.0 - ago_s, 2, 30) for ago_s in (-5.0, 0.0, 59.0, 61.0, 61.0, 3_539.0, 3_541.0)]
    past = past_minutes(made, 10_000.0)
    assert (len(past), past[-1], past[-2], past[0]) == (59, Minute(6, 90), Minute(4, 60), Minute(2, 30))
    assert sum(each.files for each in past) == 12
    recent = Recent(Totals(0, 0, 0.0, 0), past)
    recent.mark(Totals(1, 1, 1.0, 1))
    minutes = recent.minutes(Totals(1, 1, 1.0, 1))
    assert len(minutes) == 60
    assert minutes[-3:] == [Minute(6, 90), Minute(1, 1, 1.0), Minute()]
    assert minutes[0] == Minute()


def _dropped(drops: Drops, path: str, size_bytes: int) -> Drop:
    with drops.expecting("drop", path, size_bytes):
        pass
    return drops.add("drop", path, size_bytes)


def test_a_drop_is_followed_until_its_commit_and_others_are_not() -> None:
    drops = Drops()
    drops.observe(Published("d", "c0", 3, 0.1, (DELIVERY,)))
    waiting = _dropped(drops, "a.txt", 3)
    assert drops.since(0, 10) == [waiting]
    drops.observe(Published("d", "c1", 3, 0.1, (DELIVERY._replace(size_bytes=4), DELIVERY._replace(path="b.txt"))))
    assert drops.since(waiting.number, 10) == []
    drops.observe(Published("d", "c2", 3, 0.1, (DELIVERY,)))
    [published] = drops.since(waiting.number, 10)
    assert (published.fate, published.commit, published.repo_path) == ("published", "c2", "in/a.txt")
    drops.observe(Published("d", "c3", 3, 0.1, (DELIVERY,)))
    assert drops.since(published.number, 10) == []


def test_what_is_told_before_the_drop_is_noted_counts() -> None:
    drops = Drops()
    with drops.expecting("drop", "a.txt", 3):
        drops.observe(Skipped("drop", "a.txt", "in/a.txt", "unchanged"))
    assert drops.since(0, 10) == []
    drops.add("drop", "a.txt", 3)
    assert [each.fate for each in drops.since(0, 10)] == ["unchanged"]


def test_a_drop_in_quarantine_may_be_published_yet() -> None:
    drops = Drops()
    _dropped(drops, "a.txt", 3)
    drops.observe(SetAside("drop", "a.txt", "bad"))
    [aside] = drops.since(0, 10)
    assert (aside.fate, aside.reason) == ("quarantined", "bad")
    drops.observe(Published("d", "c1", 3, 0.1, (DELIVERY,)))
    assert [each.fate for each in drops.since(aside.number, 10)] == ["published"]


def test_what_was_not_put_there_is_not_followed_and_what_was_there_before_is() -> None:
    drops = Drops()
    with pytest.raises(FileExistsError), drops.expecting("drop", "b.txt", 3):
        raise FileExistsError
    first = _dropped(drops, "a.txt", 3)
    with pytest.raises(FileExistsError), drops.expecting("drop", "a.txt", 4):
        raise FileExistsError
    drops.observe(Published("d", "c1", 6, 0.1, (DELIVERY, DELIVERY._replace(path="b.txt"))))
    assert [(each.path, each.fate) for each in drops.since(first.number, 10)] == [("a.txt", "published")]


def test_the_oldest_drops_are_forgotten() -> None:
    drops = Drops(most=2)
    for name in ("a", "b", "c"):
        _dropped(drops, name, 1)
    assert [each.path for each in drops.since(0, 10)] == ["b", "c"]
    assert [each.path for each in drops.since(0, 1)] == ["b"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8787", ("127.0.0.1", 8787)), ("localhost:1", ("127.0.0.1", 1)), ("[::1]:80", ("::1", 80)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),  # noqa: S104  only read
    ],
)  # fmt: skip
def test_an_address_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert split_address(text) == found


@pytest.mark.parametrize(
    "text", ["8787", "127.0.0.1", "127.0.0.1:", "example.org:80", "127.0.0.1:70000", ":80", "::1:x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as 127"):
        split_address(text)
