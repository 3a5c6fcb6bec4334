"""A clone in an empty folder serves: what is committed is all that is needed, whatever folder it is called from."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import time
import venv
from pathlib import Path

import httpx
import pytest
from serving import serving
from tidiness import ROOT

SECOND_START_SECONDS_MAX = 1.5


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone of the last commit. Its environment lends our packages, because tests fetch nothing from the network."""
    folder = tmp_path_factory.mktemp("fresh") / "way post"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    make_environment(folder)
    return folder


def make_environment(folder: Path) -> None:
    home = folder / ".venv"
    venv.create(home, symlinks=True, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    (packages / "waypost.pth").write_text(f"{folder / 'src'}\n")
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    system = subprocess.run(["uname", "-sm"], capture_output=True, text=True, check=True).stdout.strip()
    text = b"".join((folder / name).read_bytes() for name in ("tools/environment.py", "lock/runtime.txt"))
    sums = subprocess.run(["cksum"], input=text, capture_output=True, check=True).stdout.decode().strip()
    (home / ".runtime-stamp").write_text(f"{folder} {system} {sums}\n")


def offline() -> dict[str, str]:
    """Where a set-up was tried after all, it would fail at once."""
    return os.environ | {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}  # noqa: TID251 (for the child)


def test_serve_starts_from_any_folder_and_answers(clone, tmp_path) -> None:
    start = ["/bin/sh", str(clone / "dev"), "serve"]
    with serving(tmp_path / "data", command=start, cwd=tmp_path, env=offline()) as first:
        assert first.token
        assert first.user
        models = httpx.get(f"{first.address}/v1/models").json()["data"]
        assert any(model["id"].startswith("practice/") for model in models)

    started = time.monotonic()
    with serving(tmp_path / "data", command=start, cwd=tmp_path, env=offline()) as second:
        assert time.monotonic() - started < SECOND_START_SECONDS_MAX
        assert second.token is None
        ask = {"model": "practice/sage", "messages": [{"role": "user", "content": "Are you there?"}]}
        headers = {"authorization": f"Bearer {first.token}"}
        reply = httpx.post(f"{second.address}/v1/chat/completions", json=ask, headers=headers)
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"]


def test_the_data_folder_is_made_where_the_caller_stands(clone, tmp_path) -> None:
    with serving(None, command=["/bin/sh", str(clone / "dev"), "serve"], cwd=tmp_path, env=offline()) as server:
        assert server.data == tmp_path / "waypost-data"
        assert [path.name for path in tmp_path.iterdir()] == ["waypost-data"]
    assert not (clone / "waypost-data").exists()


def test_the_command_line_runs_through_dev(clone, tmp_path) -> None:
    command = ["/bin/sh", str(clone / "dev"), "waypost", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=offline(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
