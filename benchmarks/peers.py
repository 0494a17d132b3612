"""What people use instead, each as a program: `python -m benchmarks.peers upload_folder|scheduler|script FOLDER REPO`.

`upload_folder` is the client's own one-shot upload; `scheduler` its CommitScheduler, every 5 s; `script` the plain
watchdog script that calls `upload_file` on every event. The last two run until they are killed.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from huggingface_hub import CommitScheduler, HfApi
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

EVERY_MINUTES = 5 / 60


def upload_folder(folder: str, repo: str) -> None:
    HfApi().upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder, path_in_repo="incoming")


def scheduler(folder: str, repo: str) -> None:
    CommitScheduler(repo_id=repo, repo_type="dataset", folder_path=folder, path_in_repo="incoming", every=EVERY_MINUTES)
    print("ready", flush=True)
    threading.Event().wait()


class _UploadEach(FileSystemEventHandler):
    def __init__(self, folder: str, repo: str) -> None:
        self._folder = Path(folder)
        self._repo = repo
        self._api = HfApi()

    def on_created(self, event: FileSystemEvent) -> None:
        self._upload(str(event.src_path))

    def on_modified(self, event: FileSystemEvent) -> None:
        self._upload(str(event.src_path))

    def on_moved(self, event: FileSystemEvent) -> None:
        self._upload(str(event.dest_path))

    def _upload(self, path: str) -> None:
        if Path(path).is_file():
            place = f"incoming/{Path(path).relative_to(self._folder)}"
            self._api.upload_file(path_or_fileobj=path, path_in_repo=place, repo_id=self._repo, repo_type="dataset")


def script(folder: str, repo: str) -> None:
    observer = Observer()
    observer.schedule(_UploadEach(folder, repo), folder, recursive=True)
    observer.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    {"upload_folder": upload_folder, "scheduler": scheduler, "script": script}[sys.argv[1]](*sys.argv[2:])
