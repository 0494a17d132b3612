"""The real daemon holds many deletes back until the real command says that they are meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hf_watch.local_hub import LocalHub
from tests.disk import fill, numbered
from tests.eventually import eventually
from tests.running import environment, run, running

if TYPE_CHECKING:
    from pathlib import Path


def test_held_deletes_are_shown_and_released(tmp_path: Path) -> None:
    drop, names = tmp_path / "drop", list(numbered(200))
    fill(drop, numbered(200))
    with LocalHub(tmp_path / "hub", open_namespaces=True) as hub:
        env = environment(hub.url, tmp_path)
        state = ["--state-dir", str(tmp_path / "state")]
        command = ["run", str(drop), "hf://datasets/acme/drop", "--create-repo", "--on-delete", "mirror", *state]
        with running(command, env, tmp_path / "log") as daemon:
            eventually(lambda: daemon.published() == 200, "all is published")
            nothing = run(["confirm-deletes", "drop", *state], env, tmp_path)
            assert (nothing.returncode, nothing.stdout) == (0, b"drop: no deletes are held back\n")
            for name in names[:150]:
                (drop / name).unlink()
            (held,) = daemon.wait_for("deletes.held")
            assert held["files"] == 150
            status = json.loads(run(["status", "--json", *state], env, tmp_path).stdout)
            assert (status["targets"][0]["held_deletes"], status["health"]) == (150, "degraded")
            assert "hf-watch confirm-deletes drop" in status["problems"][0]
            assert len(hub.files("dataset", "acme/drop")) == 201
            flushed = run(["flush", "--wait", *state], env, tmp_path)
            first, second, third = flushed.stdout.decode().splitlines()
            assert (flushed.returncode, first) == (0, "everything that is on disk is published")
            assert second.startswith("drop: 150 deletes held back, such as ")
            assert third == "  `hf-watch confirm-deletes drop` lets them go"
            confirmed = run(["confirm-deletes", "drop", *state], env, tmp_path)
            assert (confirmed.returncode, confirmed.stdout) == (0, b"confirmed: drop, 150 paths\n")
            eventually(lambda: len(hub.files("dataset", "acme/drop")) == 51, "those are deleted, and no others")
            assert daemon.stop() == 0
        assert set(names[150:]) < set(hub.files("dataset", "acme/drop"))
