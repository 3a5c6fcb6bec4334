"""The command line itself: quick to help, kind to slips."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import START, environment, waypost

from waypost import __version__
from waypost.cli.main import COMMANDS
from waypost.cli.main import waypost as group

CPU_SECONDS_MAX = 0.1
HEAVY = ("starlette", "anyio", "uvloop", "httptools", "apsw", "asyncio", "msgspec", "http.client", "waypost.settings")
COMPLETE = {"_WAYPOST_COMPLETE": "bash_complete", "COMP_WORDS": "waypost tokens create --k", "COMP_CWORD": "3"}


def imported_by(*commands: list[str], **variables: str) -> list[str]:
    """The heavy packages that commands import, of those that help must not need."""
    code = (
        "import sys\n"
        "from waypost.cli.main import run\n"
        f"codes = [run(words) for words in {list(commands)!r}]\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(max(codes))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(**variables), capture_output=True, text=True, check=True
    )
    return eval(done.stderr.splitlines()[-1])


def test_help_imports_nothing_heavy() -> None:
    assert imported_by(["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)) == []


def test_completion_imports_nothing_heavy() -> None:
    assert imported_by([], **COMPLETE) == []


def test_the_check_of_imports_sees_what_is_imported() -> None:
    assert "waypost.settings" in imported_by(["config", "path"])


@pytest.mark.parametrize(("arguments", "variables"), [(["--help"], {}), ([], COMPLETE)], ids=["help", "completion"])
def test_help_takes_less_than_100_ms(arguments, variables) -> None:
    """Of a core, and the least of several; a machine so busy that click alone takes most of it gets the same again."""
    alone = min(cpu_seconds([sys.executable, "-c", "import click"]) for _ in range(2))
    taken = min(cpu_seconds([*START, *arguments], **variables) for _ in range(4))
    assert taken < max(CPU_SECONDS_MAX, 1.7 * alone)


def cpu_seconds(command: list[str], **variables: str) -> float:
    before = os.times()
    subprocess.run(command, env=environment(**variables), capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_version_and_help_go_to_stdout() -> None:
    assert waypost("--version") == (0, f"waypost, version {__version__}\n", "")
    done = waypost("-h")
    assert (done.code, done.err) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  ", done.out, re.MULTILINE)
    assert listed == list(COMMANDS)


def test_every_command_has_the_name_it_is_listed_under() -> None:
    for name in COMMANDS:
        command = group.get_command(None, name)
        assert command is not None
        assert command.name == name
    assert group.get_command(None, "nothing") is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "waypost: No such command 'serv'. Did you mean 'serve'?"),
        (["tokens", "creat"], "Did you mean 'create'?"),
        (["serve", "--prt", "1"], "No such option '--prt'."),
        (["serve", "--port", "x"], "'x' is not a valid integer."),
        (["models", "show"], "Missing argument 'MODEL'."),
        (["nothing-like-it"], "No such command 'nothing-like-it'."),
    ],
)
def test_a_slip_is_one_line_a_hint_and_exit_2(alone, arguments, said) -> None:
    done = alone(*arguments)
    assert done.code == 2
    assert said in done.err.splitlines()[0]
    assert re.fullmatch(r"hint: `.*waypost.* --help` says what it takes\.", done.err.splitlines()[1])
    assert not done.out


def test_nothing_at_all_shows_the_help() -> None:
    done = waypost()
    assert done.code == 2
    assert "Commands:" in done.err


def test_foreign_control_characters_in_an_argument_are_not_obeyed(alone) -> None:
    done = alone("models", "list", "--url", "http://127.0.0.1:1/\x1b[2J")
    assert done.code == 4
    assert "\x1b" not in done.err


def test_where_the_output_cannot_be_written_it_says_so_in_two_lines() -> None:
    for arguments in (["--help"], ["practice", "--list-faults"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([*START, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        said, hint = done.stderr.splitlines()
        assert said == "waypost: The output cannot be written: no space left on device."
        assert hint.startswith("hint: ")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_no_fault(closed) -> None:
    command = f'"{sys.executable}" -m waypost practice --list-faults {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


@pytest.mark.parametrize("columns", [40, 60, 100])
@pytest.mark.parametrize("arguments", [[], ["chat"], ["tokens"], ["tokens", "create"], ["models"]])
def test_help_keeps_within_the_terminal(alone, monkeypatch, arguments, columns) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = alone(*arguments, "--help").out
    assert max(map(len, text.splitlines())) <= min(columns, 100)
    assert "..." not in text.partition("Commands:")[2], "no sentence is cut"
