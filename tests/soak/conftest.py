"""What the soak is told: how many seeds and kills, or one seed of an earlier run to be repeated."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak")
    group.addoption("--seed", type=int, default=None, help="repeat the run of this seed")
    group.addoption("--seeds", type=int, default=10, help="how many runs, each with a seed drawn anew")
    group.addoption("--kills", type=int, default=20, help="how many kills in each run")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        seed, seeds = metafunc.config.getoption("seed"), metafunc.config.getoption("seeds")
        drawn = [secrets.randbelow(1_000_000) for _ in range(seeds)] if seed is None else [seed]
        metafunc.parametrize("seed", drawn)
        metafunc.parametrize("kills", [metafunc.config.getoption("kills")])
