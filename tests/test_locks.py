"""The lock files: few packages, every one by hash, the same in both, and no word of where they came from."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from tidiness import ROOT

RUNTIME, DEV = ROOT / "lock" / "runtime.txt", ROOT / "lock" / "dev.txt"
NPM = ROOT / "tests" / "clients" / "js" / "package-lock.json"
DISTRIBUTIONS_MAX = 20
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)((?:.|\n(?=\s))*)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    return {found[1].lower(): found[2] for found in PIN.finditer(text)}


def test_waypost_needs_at_most_twenty_distributions() -> None:
    assert 1 < len(pins(RUNTIME.read_text())) <= DISTRIBUTIONS_MAX


@pytest.mark.parametrize("lock", [RUNTIME, DEV], ids=lambda lock: lock.name)
def test_every_package_is_locked_by_hash(lock) -> None:
    unlocked = [found[1] for found in PIN.finditer(lock.read_text()) if "--hash=sha256:" not in found[3]]
    assert not unlocked


def test_the_dev_lock_holds_the_runtime_lock() -> None:
    assert pins(RUNTIME.read_text()).items() <= pins(DEV.read_text()).items()


def test_every_dependency_of_the_project_file_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.match(r"[\w.-]+", line)[0].lower() for line in project["project"]["dependencies"]}
    tools = {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in project["dependency-groups"]["dev"]}
    assert wanted <= pins(RUNTIME.read_text()).keys()
    assert tools <= pins(DEV.read_text()).keys()


@pytest.mark.parametrize("lock", [RUNTIME, DEV, NPM], ids=lambda lock: lock.name)
def test_no_lock_names_a_host(lock) -> None:
    """So that a lock made behind a mirror works in front of it."""
    text = re.sub(r"\"(funding|url|license)\": .*", "", lock.read_text())
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|\"resolved\"", text)


def test_every_javascript_package_is_locked_by_hash() -> None:
    packages = json.loads(NPM.read_text())["packages"]
    assert {"node_modules/openai", "node_modules/@huggingface/inference", "node_modules/@huggingface/hub"} <= set(
        packages
    )
    assert not [name for name, row in packages.items() if name and "integrity" not in row]
