from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from bench.peers import PEERS, Peer, Place, run
from bench.targets import TargetFailed


def place(tmp_path: Path) -> Place:
    return Place(tmp_path, 81, None)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_sent_to_the_canned_provider(peer, tmp_path) -> None:
    launch = peer.launch(place(tmp_path))
    told = json.dumps([launch.command, launch.speech]) + "".join(file.read_text() for file in tmp_path.iterdir())
    assert "http://127.0.0.1:81" in told
    assert launch.environment["PYTHONPATH"] == ""


def test_settings_are_in_the_form_that_their_reader_wants(tmp_path) -> None:
    launches = {peer.name: peer.launch(place(tmp_path)) for peer in PEERS}
    assert set(tomllib.loads((tmp_path / "tensorzero.toml").read_text())["models"]) == {
        "whole",
        "burst",
        "paced",
        "idle",
    }
    models = json.loads((tmp_path / "litellm.yaml").read_text())["model_list"]
    assert models[0]["litellm_params"]["api_base"] == "http://127.0.0.1:81/whole/v1"
    assert launches["TensorZero"].speech.model == "tensorzero::model_name::KIND"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("one\\nno thing for you", "no thing for you"),
        ("npm warn\\nnpm error code E404\\nnpm error a log", "npm error code E404"),
    ],
)
def test_a_peer_that_cannot_be_installed_says_why_in_a_line(tmp_path, said, told) -> None:
    def install(home: Path, package: str) -> str:
        return run([sys.executable, "-c", f"raise SystemExit('{said}')"], home)

    peer = Peer("other", "thing", install, PEERS[0].launch)
    with (
        pytest.raises(TargetFailed, match=f"^could not be installed: {told}$"),
        peer.start(tmp_path, 81, None),
    ):
        pass
