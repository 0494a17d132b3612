"""Regular or large, ignored or not: what a repo's `.gitattributes` and `.gitignore` say about a path."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import lru_cache

from pathspec import GitIgnoreSpec

# Above this a file is never regular (the Hub's own limit: "files larger than 10 MiB").
LARGEST_REGULAR_BYTES = 10 * 1024 * 1024

_LFS_PATTERNS = (
    "*.7z", "*.arrow", "*.avro", "*.bin", "*.bz2", "*.ckpt", "*.ftz", "*.gz", "*.h5", "*.joblib", "*.lfs.*", "*.lz4",
    "*.mds", "*.mlmodel", "*.model", "*.msgpack", "*.npy", "*.npz", "*.onnx", "*.ot", "*.parquet", "*.pb", "*.pickle",
    "*.pkl", "*.pt", "*.pth", "*.rar", "*.safetensors", "saved_model/**/*", "*.tar.*", "*.tar", "*.tflite", "*.tgz",
    "*.wasm", "*.xz", "*.zip", "*.zst", "*tfevents*",
)  # fmt: skip
_DATASET_PATTERNS = (
    "*.pcm", "*.sam", "*.raw", "*.aac", "*.flac", "*.mp3", "*.ogg", "*.wav", "*.bmp", "*.gif", "*.png", "*.tiff",
    "*.jpg", "*.jpeg", "*.webp", "*.mp4", "*.webm",
)  # fmt: skip


def default_gitattributes(kind: str) -> bytes:
    """The file that a new repo of `kind` ("models", "datasets", "spaces") starts with; datasets know media, too."""
    patterns = _LFS_PATTERNS + (_DATASET_PATTERNS if kind == "datasets" else ())
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns).encode()


@dataclass(frozen=True)
class Attributes:
    """The lines of a `.gitattributes` that speak of `filter`, the last first, since the last one that matches wins."""

    rules: tuple[tuple[GitIgnoreSpec, bool], ...]

    def is_large(self, path: str) -> bool:
        return next((large for spec, large in self.rules if spec.match_file(path)), False)


@lru_cache(maxsize=64)
def parse_attributes(text: bytes) -> Attributes:
    """The rules of a `.gitattributes`; a line that says nothing about `filter` is passed over, as is a broken one."""
    rules = []
    for line in text.decode("utf-8", "replace").splitlines():
        pattern, *words = line.split() or [""]
        verdict = _filter_verdict(words)
        if pattern and not pattern.startswith("#") and verdict is not None:
            rules.append((GitIgnoreSpec.from_lines([pattern]), verdict))
    return Attributes(tuple(reversed(rules)))


def _filter_verdict(words: list[str]) -> bool | None:
    verdict = None
    for word in words:
        if word.startswith("filter="):
            verdict = word == "filter=lfs"
        elif word in {"-filter", "!filter"}:
            verdict = False
    return verdict


@lru_cache(maxsize=64)
def parse_ignore(text: bytes) -> GitIgnoreSpec:
    """The rules of a `.gitignore`; ValueError when a pattern is none, UnicodeDecodeError when it is not text."""
    return GitIgnoreSpec.from_lines(text.decode("utf-8").splitlines())


def upload_mode(path: str, size_bytes: int, sample: bytes, attributes: Attributes) -> str:
    """Whether a file is "lfs" or "regular", as preupload answers: by `.gitattributes`, by size, by its first bytes."""
    large = size_bytes > LARGEST_REGULAR_BYTES or looks_binary(sample) or attributes.is_large(path)
    return "lfs" if large else "regular"


def looks_binary(sample: bytes) -> bool:
    """Whether the first bytes of a file are not UTF-8 text; a character cut off by the sample's end is forgiven."""
    if b"\0" in sample:
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError:
        return True
    return False
