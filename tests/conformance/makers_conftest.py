"""The fixtures that huggingface_hub's own tests ask for, against the Hub that HF_ENDPOINT names.

`measure.py` puts this file beside those tests as their conftest.py; the one of their makers is not distributed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from huggingface_hub import HfApi, RepoUrl

RepoFactory = Callable[..., RepoUrl]

accounts = importlib.import_module(f"{__package__}.testing_constants")
vars(accounts)["ENDPOINT_STAGING"] = os.environ["HF_ENDPOINT"]  # before a test module takes it over


@pytest.fixture(scope="session")
def api() -> HfApi:
    return HfApi(endpoint=accounts.ENDPOINT_STAGING, token=accounts.TOKEN)


@pytest.fixture
def repo_factory(api: HfApi) -> Iterator[RepoFactory]:
    """Makes repos, named anew unless the test names them, and deletes them after the test."""
    names = importlib.import_module(f"{__package__}.testing_utils")
    made: list[tuple[RepoUrl, str | None]] = []

    def make(repo_type: str = "model", *, repo_id: str | None = None, token: str | None = None, **more: Any) -> RepoUrl:
        url = api.create_repo(repo_id or names.repo_name(), repo_type=repo_type, token=token, **more)
        made.append((url, token or accounts.TOKEN))
        return url

    yield make
    for url, token in made:
        api.delete_repo(url.repo_id, repo_type=url.repo_type, token=token, missing_ok=True)
