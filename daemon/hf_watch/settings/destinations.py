"""Where a target goes: an `hf://` URI, read by the Hub client's own parser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_watch.errors import ConfigError
from hf_watch.model import Destination
from hf_watch.rules.mapping import FORBIDDEN_SEGMENTS
from hf_watch.settings.values import DEST_FORM

if TYPE_CHECKING:
    from hf_watch.model import RepoType

EXAMPLE = "hf://datasets/acme/drop/incoming"
REPO_TYPES: dict[str, RepoType] = {"model": "model", "dataset": "dataset", "space": "space"}
DEFAULT_REVISION = "main"


@dataclass(frozen=True, slots=True)
class Place:
    """A branch of a repo, and a directory in it (`""` for its root)."""

    destination: Destination
    prefix: str


def place_of(dest: str, endpoint: str) -> Place:
    """Read an `hf://` URI; ConfigError begins with it and says what is wrong."""
    # Inside, for the client reads its settings from the environment when it is imported, and .env comes first.
    from huggingface_hub.errors import HfUriError  # noqa: PLC0415
    from huggingface_hub.utils import parse_hf_uri  # noqa: PLC0415

    try:
        uri = parse_hf_uri(dest)
    except (HfUriError, ValueError) as error:
        raise ConfigError(f"{dest!r}: {_reason(error)}it should be {DEST_FORM}, like {EXAMPLE}") from error
    repo_type = REPO_TYPES.get(uri.type)
    if repo_type is None:
        raise ConfigError(f"{dest!r}: a {uri.type} is not yet supported; it should be a model, a dataset or a Space")
    prefix = (uri.path_in_repo or "").strip("/")
    if any(segment in FORBIDDEN_SEGMENTS or not segment for segment in prefix.split("/") if prefix):
        raise ConfigError(f"{dest!r}: the Hub refuses this path; it should have other names than . .. .git .cache")
    return Place(Destination(endpoint, repo_type, uri.id, uri.revision or DEFAULT_REVISION), prefix)


def _reason(error: Exception) -> str:
    """What the parser has against a URI of the Hub's; of anything else it only says that it is none."""
    said = " ".join(str(error).split()).removeprefix("Invalid HF URI").partition(". ")[2].rstrip(".")
    return "" if not said or said.startswith("Must start with") else f"{said[:1].lower()}{said[1:]}; "
