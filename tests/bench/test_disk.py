from __future__ import annotations

from bench.disk import sync_ms


def test_writes_to_the_disk_are_timed_and_leave_nothing_behind(tmp_path) -> None:
    samples = sync_ms(tmp_path, 20, 0.0)
    assert len(samples) == 20
    assert min(samples) > 0
    assert list(tmp_path.iterdir()) == []
