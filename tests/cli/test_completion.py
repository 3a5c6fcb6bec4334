"""Scripts that shells read, and what they get when they ask."""

from __future__ import annotations

import subprocess

import pytest
from click.shell_completion import BashComplete
from commandline import waypost

from waypost.cli.completion import VARIABLE, script
from waypost.cli.main import waypost as group

ASK = "COMP_WORDS=(waypost tokens cr)\nCOMP_CWORD=2\n_waypost_completion waypost\necho $COMPREPLY"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_us(alone, shell) -> None:
    done = alone("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_WAYPOST_COMPLETE={shell}_complete" in done.out
    assert done.out == script(shell)


def test_bash_can_read_its_script_and_offers_what_we_offer(tmp_path) -> None:
    """bash calls the command by its name; here a stand-in that answers as we do."""
    stand_in = tmp_path / "waypost"
    stand_in.write_text('#!/bin/sh\necho "plain,--$COMP_CWORD"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script('bash')}\n{ASK}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "--2"), done.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("chat -m practice/sage : fa", "fastest 3"),
        ("chat -m practice/sage :", "fastest 3"),
        ("chat -m practice/sa", "practice/sage:fastest 3"),
        ("chat -m practice/sage : cheapest --no", "practice/sage:fastest 4"),
    ],
)
def test_bash_breaks_words_at_colons_and_is_answered_all_the_same(tmp_path, words, offered) -> None:
    stand_in = tmp_path / "waypost"
    stand_in.write_text('#!/bin/sh\necho "plain,practice/sage:fastest"\necho "plain,$COMP_CWORD"\n')
    stand_in.chmod(0o755)
    ask = f"COMP_WORDS=(waypost {words})\nCOMP_CWORD={len(words.split())}\n_waypost_completion waypost\n"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script('bash')}\n{ask}echo ${{COMPREPLY[@]}}"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == offered, done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("waypost to", {"tokens"}),
        ("waypost tokens cr", {"create"}),
        ("waypost tokens create --k", {"--kind"}),
        ("waypost tokens create --kind r", {"read"}),
        ("waypost models list --format ", {"human", "json", "tsv", "quiet"}),
    ],
)
def test_commands_options_and_choices_are_offered(typed, offered) -> None:
    *words, begun = typed.split(" ")[1:]
    found = BashComplete(group, {}, "waypost", VARIABLE).get_completions(words, begun)
    assert {item.value for item in found} == offered


def test_the_command_answers_the_script() -> None:
    done = waypost(_WAYPOST_COMPLETE="bash_complete", COMP_WORDS="waypost tokens cr", COMP_CWORD="2")
    assert (done.lines, done.err) == (["plain,create"], "")


def test_an_unknown_shell_is_a_usage_error(alone) -> None:
    assert alone("completion", "csh").code == 2
