"""Finding `waypost.toml`, and what is told when it cannot be read."""

from __future__ import annotations

import pytest

from waypost.settings_file import FILE_BYTES_MAX, SettingsError, find_file, read_file


def told(path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_file(path)
    (fault,) = caught.value.faults
    assert fault.line.startswith(f"{path}: ")
    return fault.line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"[server]\nport = = 1\n", "line 2, column 8: "),
        (b"a = 1\na = 2\n", "line 2, column 6: "),
        (b"[server]\nhost = 'x", "line 2"),
        (b"a = 1\nb = '\xff'\n", "line 2: is not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "nests its values too deeply"),
    ],
)
def test_a_syntax_error_names_its_line(tmp_path, text, line) -> None:
    file = tmp_path / "waypost.toml"
    file.write_bytes(text)
    assert told(file).startswith(line)


def test_a_file_that_is_named_and_is_not_there_is_a_fault(tmp_path) -> None:
    assert told(tmp_path / "no.toml") == "cannot be read: No such file or directory"


def test_a_folder_is_no_file_and_says_so(tmp_path) -> None:
    assert told(tmp_path) == "cannot be read: Is a directory"


def test_a_huge_file_is_not_read(tmp_path) -> None:
    file = tmp_path / "waypost.toml"
    with file.open("wb") as out:
        out.truncate(FILE_BYTES_MAX + 1)
    assert "is not read" in told(file)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path) -> None:
    file = tmp_path / "waypost.toml"
    file.write_bytes(b"\xef\xbb\xbf[server]\n")
    assert read_file(file).tables == {"server": {}}


def test_the_file_that_is_named_wins_over_those_that_lie_about(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    named, by_variable, here = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "waypost.toml"
    at_home = tmp_path / ".config" / "waypost" / "waypost.toml"
    environment = {"HOME": str(tmp_path)}
    assert find_file(None, environment) is None
    at_home.parent.mkdir(parents=True)
    at_home.touch()
    assert find_file(None, environment) == at_home
    here.touch()
    assert find_file(None, environment) == here
    assert find_file(None, environment | {"WAYPOST_CONFIG": str(by_variable)}) == by_variable
    assert find_file(named, environment | {"WAYPOST_CONFIG": str(by_variable)}) == named
