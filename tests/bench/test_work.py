"""The whole bench as `./dev bench` runs it, at a tiny scale and without nginx, which not every machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from bench.budget import BUDGET
from bench.cores import layout
from bench.targets import Running, Speech, TargetFailed, canned, free_port
from bench.work import Stage, saturated
from tidiness import ROOT

NEEDS_NGINX = {"whole", "paced", "burst"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}  # noqa: TID251 (for the child)
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=100)


def test_every_section_runs_and_gives_its_figure(tmp_path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--without-nginx", "--scale", "0.01", "--rounds", "1", "--json", str(file), "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "waypost" in done.stdout
    seen = json.loads(file.read_text())
    values = {figure["key"]: figure.get("middle") for figure in seen["figures"]}
    assert list(values) == [line.key for line in BUDGET]
    missing = {key for key, value in values.items() if value is None}
    assert missing - {"rate"} == NEEDS_NGINX  # a machine with one core cannot say the rate
    assert {row["work"] for row in seen["rows"]} >= {"whole", "burst", "paced", "latency", "first_token", "growth"}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only=hole"], "no section 'hole'"),
        (["--rounds=x"], "invalid int"),
        (["--write", "--only=whole"], "--write wants every section"),
    ],
)
def test_a_wrong_argument_is_told(given, said) -> None:
    done = bench(*given)
    assert done.returncode == 2
    assert said in done.stderr


def is_stopped(pid: int) -> bool:
    """Whether this child of ours stands still."""
    return os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[1])


@pytest.mark.parametrize("peer", [True, False], ids=["a peer", "nginx or ourselves"])
def test_a_peer_may_fail_and_stands_still_while_nobody_else_may(tmp_path, capfd, peer) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        gateway = Running("other", free_port(), sleeper.pid, Speech(), peer=peer)
        with canned(tmp_path, None) as provider:
            stage = Stage(tmp_path, layout([0], 1, pinned=False), provider, 1, 0.01, {})
            if peer:
                assert [row["gateway"] for row in saturated(stage, "whole", [gateway, provider])] == ["direct"]
                assert stage.failures == {("other", "whole"): "the load could not call other"}
                assert is_stopped(sleeper.pid)
            else:
                with pytest.raises(TargetFailed, match="could not call other"):
                    saturated(stage, "whole", [gateway])
    finally:
        sleeper.kill()
        sleeper.communicate()
    assert "ConnectionRefused" in capfd.readouterr().err
