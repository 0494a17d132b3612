"""How faithful is the local Hub? Runs the tests of the Hub client's makers against it: `make conformance`.

They come out of the client's source distribution and are not changed. Which of them count stands in tests.txt, which of
those do not pass, and why, in docs/local-hub.md. Ends with 1 when what fails is not exactly what is documented.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from hf_watch.local_hub import LocalHub, Org, Token

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
CACHE = CHECKOUT / ".cache" / "conformance"
REQUIREMENTS = CHECKOUT / "requirements" / "conformance.txt"
DOCUMENT = CHECKOUT / "docs" / "local-hub.md"
TIMEOUT_S = 300


def main() -> int:
    wanted = (HERE / "tests.txt").read_text().split()
    documented = set(re.findall(r"^\| `(tests\.\S+::\S+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    tests = obtain()
    with tempfile.TemporaryDirectory(prefix="conformance-") as scratch:
        passed = run(tests, wanted, Path(scratch))
    failed = set(wanted) - passed
    for name in sorted(failed - documented):
        print(f"fails, and is not documented: {name}")
    for name in sorted(documented - failed):
        print(f"is documented as failing, and passes: {name}")
    print(f"{len(passed)} of {len(wanted)} pass")
    return int(failed != documented)


def obtain() -> Path:
    """The unpacked source distribution of the pinned client, with what its tests lack; made once for each pin."""
    version = importlib.metadata.version("huggingface_hub")
    name = f"huggingface_hub-{version}"
    if f"huggingface_hub=={version} " not in REQUIREMENTS.read_text():
        sys.exit(f"{REQUIREMENTS.name} pins another version than the {name} that is installed")
    root = CACHE / name
    if not root.is_dir():
        shutil.rmtree(CACHE, ignore_errors=True)
        pip("download", "--require-hashes", "--no-deps", "--dest", CACHE / "downloads", "--requirement", REQUIREMENTS)
        pip("install", "--no-deps", "--target", CACHE / "plugins", *(CACHE / "downloads").glob("*.whl"))
        with tarfile.open(CACHE / "downloads" / f"{name}.tar.gz") as archive:
            archive.extractall(CACHE / "unpacking", filter="data")
        (CACHE / "unpacking" / name).rename(root)  # all of it, or none
    (root / "tests" / "__init__.py").touch()
    shutil.copy(HERE / "makers_conftest.py", root / "tests" / "conftest.py")
    return root


def pip(command: str, *arguments: Path | str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", command, *quiet, *arguments], check=True)


def run(root: Path, wanted: list[str], scratch: Path) -> set[str]:
    """Which of the tests pass."""
    report = scratch / "report.xml"
    command = [
        sys.executable, "-m", "pytest", "--quiet", "--tb=short", "-Werror::FutureWarning", "--override-ini=addopts=",
        "-p", "no:cacheprovider", f"--timeout={TIMEOUT_S}", f"--basetemp={scratch / 'tests'}", f"--junit-xml={report}",
        *map(node_id, wanted),
    ]  # fmt: skip
    with LocalHub(scratch / "hub", tokens=accounts(root)) as hub:
        subprocess.run(command, cwd=root, env=environment(hub.url, scratch), check=False)
    cases = ET.parse(report).iter("testcase")  # noqa: S314  written by the process above
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if not len(case)}


def node_id(name: str) -> str:
    """`tests.module.Class::test` as pytest takes it."""
    place, _, test = name.partition("::")
    package, module, cls = place.split(".")
    return f"{package}/{module}.py::{cls}::{test}"


def accounts(root: Path) -> dict[str, Token]:
    """The accounts that the tests expect to find, read where the tests read them."""
    text = (root / "tests" / "testing_constants.py").read_text()
    said = dict(re.findall(r'^(\w+) = "([^"]*)"$', text, re.MULTILINE))
    own = Org("valid_org_hub", "Dummy Hub Org")
    enterprise = Org(said["ENTERPRISE_ORG"], private_by_default=True)
    return {
        said["TOKEN"]: Token(said["USER"], fullname=said["FULL_NAME"], orgs=(own,)),
        said["OTHER_TOKEN"]: Token(said["OTHER_USER"]),
        said["ENTERPRISE_TOKEN"]: Token(said["ENTERPRISE_USER"], orgs=(enterprise,)),
    }


def environment(endpoint: str, scratch: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTEST_"))}
    return {
        **kept,
        "PYTHONPATH": str(CACHE / "plugins"),
        "HOME": str(scratch),
        "HF_HOME": str(scratch / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_XET_TELEMETRY_ENABLED": "false",
    }


if __name__ == "__main__":
    sys.exit(main())
