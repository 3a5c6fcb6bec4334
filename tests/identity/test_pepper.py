"""The pepper is made once, whole, and by one process alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

from waypost.identity.pepper import BYTES, read_pepper


def test_a_pepper_is_made_once_and_read_ever_after(tmp_path) -> None:
    first = read_pepper(tmp_path)
    assert len(first) == BYTES
    assert read_pepper(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "pepper").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]


def test_two_folders_have_two_peppers(tmp_path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    assert read_pepper(folders[0]) != read_pepper(folders[1])


def test_a_pepper_that_is_there_is_never_replaced(tmp_path) -> None:
    (tmp_path / "pepper").write_bytes(b"from a backup")
    assert read_pepper(tmp_path) == b"from a backup"


def test_of_many_who_begin_at_once_all_hold_the_same_pepper(tmp_path) -> None:
    with ThreadPoolExecutor(8) as pool:
        peppers = set(pool.map(lambda _: read_pepper(tmp_path), range(64)))
    assert len(peppers) == 1
    assert len(peppers.pop()) == BYTES
