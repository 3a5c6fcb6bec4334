"""The examples, run as their README says, against a Waypost on its defaults."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from environment import JAVASCRIPT
from serving import Serving, serving
from tidiness import ROOT

EXAMPLES = ROOT / "examples"
ANSWERED = re.compile("answered by (practice-swift|practice-thrifty|together), waybill req_")
"""Which of them is fastest is measured, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def waypost(tmp_path_factory) -> Serving:
    with serving(tmp_path_factory.mktemp("examples") / "data") as server:
        yield server


def run_example(server: Serving, *command: str) -> str:
    environ = os.environ | server.variables  # noqa: TID251 (for the example)
    done = subprocess.run(command, cwd=EXAMPLES, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_curl_alone_holds_a_conversation_and_reads_its_waybill(waypost) -> None:
    said = run_example(waypost, "sh", "curl.sh")
    assert '"chat.completion"' in said
    assert "data: [DONE]" in said
    assert '"would_succeed":true' in said.replace(" ", "")
    assert '"outcome":"delivered"' in said.replace(" ", "")


def test_the_openai_package_holds_a_conversation_and_shows_an_error_with_its_reason(waypost) -> None:
    said = run_example(waypost, sys.executable, "chat.py")
    assert ANSWERED.search(said), said
    assert "unknown_policy: " in said
    assert "   fix: " in said


def test_its_javascript_twin_does_the_same(waypost, node, tmp_path) -> None:
    # Node looks for packages beside the file.
    tmp_path.joinpath("node_modules").symlink_to(JAVASCRIPT / "node_modules")
    tmp_path.joinpath("chat.mjs").write_text((EXAMPLES / "chat.mjs").read_text())
    said = run_example(waypost, node, str(tmp_path / "chat.mjs"))
    assert ANSWERED.search(said), said
    assert "unknown_policy: " in said


def readme_blocks(language: str, word: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [block for block in blocks if word in block]


def test_every_curl_line_of_the_readme_works_as_it_stands(waypost) -> None:
    blocks = readme_blocks("sh", "curl http")
    assert len(blocks) == 3
    for block in blocks:
        script = block.replace("export WAYPOST_TOKEN=wp_…", "").replace("http://127.0.0.1:8080", waypost.address)
        said = json.loads(run_example(waypost, "sh", "-c", script.replace("curl ", "curl --silent --fail-with-body ")))
        assert said.get("would_succeed", True)


def test_the_readmes_lines_about_money_work_as_they_stand(waypost) -> None:
    (block,) = readme_blocks("sh", "credits grant")
    script = block.replace("./dev waypost", f"{sys.executable} -m waypost").replace(
        "http://127.0.0.1:8080", waypost.address
    )
    script = script.replace("curl ", "curl --silent --fail-with-body ")
    said = run_example(waypost, "env", f"WAYPOST_DATA={waypost.data}", "sh", "-e", "-c", script)
    assert "organisation acme" in said or "acme" in said
    assert "chat.completion" in said


def test_the_python_of_the_readme_works_as_it_stands(waypost) -> None:
    (block,) = readme_blocks("python", "openai")
    said = run_example(waypost, sys.executable, "-c", block.replace("http://127.0.0.1:8080", waypost.address))
    assert len(said.split()) > 3


def test_what_the_readme_quotes_of_a_plan_is_what_is_answered(waypost) -> None:
    (quoted,) = readme_blocks("json", "would_succeed")
    script = readme_blocks("sh", "/v1/explain")[0].replace("http://127.0.0.1:8080", waypost.address)
    plan = json.loads(run_example(waypost, "sh", "-c", script.replace("curl ", "curl --silent ")))["plan"]
    shown = json.loads("{" + quoted + "}")["plan"]
    assert shown["order"] == plan["order"]
    assert shown["excluded"] == plan["excluded"]


def test_every_example_is_in_the_readme_beside_it() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert [
        path.name for path in EXAMPLES.iterdir() if path.name != "README.md" and f"({path.name})" not in readme
    ] == []
