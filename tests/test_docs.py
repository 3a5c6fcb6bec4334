"""Documents under test: what is made from code is fresh, links lead somewhere, and the habits are kept."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import make_docs
import pytest
from tidiness import ROOT

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])


def anchors(document: Path) -> set[str]:
    """What headings can be linked to, by GitHub's rule."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document) -> None:
    broken = []
    for target in LINK.findall(CODE.sub("", document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert not broken


def test_pages_made_from_code_are_fresh() -> None:
    assert make_docs.stale() == [], "run ./dev docs"


def test_a_page_that_differs_or_that_nothing_makes_is_seen(tmp_path) -> None:
    for name, page in make_docs.PAGES.items():
        tmp_path.joinpath(name).write_text(page())
    assert make_docs.stale(tmp_path) == []
    tmp_path.joinpath("errors.md").write_text("old")
    tmp_path.joinpath("gone.md").write_text("")
    assert make_docs.stale(tmp_path) == ["errors.md", "gone.md"]


def test_the_readme_begins_with_the_two_commands() -> None:
    first = re.search(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line.split("#")[0].strip() for line in first[1].splitlines()]
    assert commands == ["./dev serve", "./dev test"]


@pytest.mark.parametrize(("name", "lines_max"), [("ARCHITECTURE.md", 120), ("README.md", 200)])
def test_the_documents_that_everybody_reads_stay_short(name, lines_max) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= lines_max


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[0] == "[Unreleased]"
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_decision_has_its_number_and_its_three_parts() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(len(decisions))]
    for path in decisions:
        text = path.read_text()
        assert re.match(rf"# {path.name[:4]} \S", text), path
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], path
        assert len(text.splitlines()) <= 60, f"{path} is more than a page"


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = [path.name for path in (ROOT / "src" / "waypost").iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f"{room}/" not in text] == []


def test_the_architecture_tells_the_layers_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    checked = next(row["layers"] for row in project["tool"]["importlinter"]["contracts"] if row["id"] == "layers")
    told = re.search(r"^cli > .*$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)[0]
    rooms = set(re.findall(r"\w+", told))
    kept = [set(line.split(" | ")) & rooms for line in checked]
    assert [set(layer.split(" | ")) for layer in told.split(" > ")] == [layer for layer in kept if layer]
