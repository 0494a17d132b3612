"""The metadata at the top of a README.md, as the Hub checks it before and during a commit."""

from __future__ import annotations

import re
from typing import Any

import yaml  # type: ignore[import-untyped]  # its types are a package of their own that nothing else here needs

_BLOCK = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_LISTS = ("model-index", "tags", "task_categories", "configs")


def check_card(content: str) -> tuple[list[str], list[str]]:
    """(errors, warnings) about the metadata block of `content`; errors are what the Hub refuses with 400."""
    block = _BLOCK.match(content)
    if block is None or not block[1].strip():
        return [], ["empty or missing yaml metadata in repo card (https://huggingface.co/docs/hub/model-cards)"]
    try:
        metadata = yaml.safe_load(block[1])
    except (yaml.YAMLError, ValueError) as error:
        return [f"YAML Metadata Error: {' '.join(str(error).split())}"], []
    return _check_metadata(metadata), []


def _check_metadata(metadata: Any) -> list[str]:
    if not isinstance(metadata, dict):
        return ["YAML Metadata Error: the metadata must be a mapping"]
    return [f'"{key}" must be an array' for key in _LISTS if not isinstance(metadata.get(key) or [], list)]
