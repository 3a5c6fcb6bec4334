from __future__ import annotations

from bench.machine import described, nginx_version


def test_a_report_says_where_it_was_measured() -> None:
    found = described(None)
    assert all(found.values())
    assert found["nginx"] == "without nginx"
    assert found["python"].startswith("CPython 3.")


def test_nginx_says_its_version_itself(tmp_path) -> None:
    program = tmp_path / "nginx"
    program.write_text("#!/bin/sh\necho nginx version: nginx/1.2.3 >&2\n")
    program.chmod(0o700)
    assert nginx_version(str(program)) == "nginx/1.2.3"
