"""A drop folder that empties itself, beside one that keeps its files: `python -m benchmarks.dropping`."""

from __future__ import annotations

import json
import statistics
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from huggingface_hub import HfApi
from huggingface_hub.hf_api import RepoFile

from benchmarks.bench import Bench, bench, daemon, wait
from benchmarks.publish import QUIET_S, say, write_tree
from hf_watch.disk.reading import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILES = 10_000
RUNS = 3
MOST = 1.3
ASKED_AT_A_TIME = 500


@dataclass(frozen=True)
class Run:
    """One folder, a repo of its own, and what becomes of its files."""

    made: Bench
    name: str
    after_upload: str

    def seconds(self) -> float:
        """From the last write until all is visible and, where they are to go, all files are gone."""
        folder, repo = self.made.place / self.name, self.made.new_repo(self.name)
        folder.mkdir()
        options = ("--after-upload", self.after_upload, "--receipts", "jsonl")
        with daemon(self.made, folder, *options, repo=repo) as process:
            write_tree(self.made.place / f"like-{self.name}", FILES, 1_000, 100, seed=zlib.crc32(self.name.encode()))
            write_tree(folder, FILES, 1_000, 100, seed=zlib.crc32(self.name.encode()))
            written = time.monotonic()
            wait(lambda: process.published() >= FILES, f"{FILES} files published", 900)
            if self.after_upload == "delete":
                wait(lambda: not any(path.is_file() for path in folder.rglob("*")), "the folder is empty", 900)
            seconds = time.monotonic() - written
        self.check(repo)
        return seconds

    @property
    def state(self) -> Path:
        return self.made.place / f"state-bench-{self.name}"

    def check(self, repo: str) -> None:
        """Each receipt is true: its commit holds, at its path, what was written. All of them are there at the end."""
        lines = [json.loads(line) for line in (self.state / "receipts.jsonl").read_text().splitlines()]
        assert len({line["repo_path"] for line in lines}) == len(lines) == FILES
        assert {line["repo_path"] for line in lines} <= self.made.hub.files("dataset", repo).keys()
        api = HfApi(self.made.hub.url, token="hf_" + "b" * 32)
        for commit in {line["commit"] for line in lines}:
            said = {line["repo_path"]: line["sha256"] for line in lines if line["commit"] == commit}
            held: dict[str, str] = {}
            for part in batched(said, ASKED_AT_A_TIME):
                infos = api.get_paths_info(repo, list(part), repo_type="dataset", revision=commit)
                held |= {
                    info.path: info.lfs.sha256 if info.lfs else info.blob_id
                    for info in infos
                    if isinstance(info, RepoFile)
                }
            for path, sha256 in said.items():
                written = (self.made.place / f"like-{self.name}" / path.removeprefix("incoming/")).read_bytes()
                digest = digest_of(written)
                assert digest.git_sha1 is not None
                assert digest.sha256.hex() == sha256
                assert held[path] in {sha256, digest.git_sha1.hex()}


def batched(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    listed = list(paths)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def main() -> None:
    with bench() as made:
        found = {how: [Run(made, f"{how}-{run}", how).seconds() for run in range(RUNS)] for how in ("keep", "delete")}
    keep_s, delete_s = (statistics.median(found[how]) for how in ("keep", "delete"))
    say(f"{FILES} files, after_upload = keep, last write to all visible", keep_s, "s", f"quiet_s = {QUIET_S:g}")
    say(f"{FILES} files, after_upload = delete, last write to an empty folder", delete_s, "s")
    say("delete beside keep", delete_s / keep_s, "x", f"at most {MOST}")


if __name__ == "__main__":
    main()
