"""The guides' commands, run as they stand, one after another, against a Waypost of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tidiness import ROOT
from waypost_process import waypost

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
SECRET = "a secret of thirty-two characters"
SETTINGS = '[credits]\nwebhook_secret_env = "TOP_UP_SECRET"\n'
LINES = """set -eu
waypost() { "$PYTHON" -m waypost "$@"; }
curl() { command curl --silent --show-error --fail-with-body "$@"; echo; }
"""


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_command_of_a_guide_works_as_it_stands(guide: Path, tmp_path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", guide.read_text(), re.DOTALL)
    assert blocks
    with waypost(tmp_path, SETTINGS, environment={"TOP_UP_SECRET": SECRET}) as server:
        environ = os.environ | {  # noqa: TID251 (for the commands)
            "WAYPOST_URL": server.address,
            "WAYPOST_TOKEN": server.token,
            "WAYPOST_DATA": str(server.running.data),
            "TOP_UP_SECRET": SECRET,
            "PYTHON": sys.executable,
        }
        script = LINES + "\n".join(blocks)
        done = subprocess.run(
            ["sh", "-c", script], env=environ, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_guide_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [guide.name for guide in GUIDES if f"(docs/guides/{guide.name})" not in readme] == []
