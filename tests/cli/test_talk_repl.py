"""A conversation on a terminal."""

from __future__ import annotations

import pytest
from commandline import Terminal, terminal


@pytest.fixture
def screen(served):
    with terminal("chat", "-m", "practice/parrot", WAYPOST_DATA=str(served.data), NO_COLOR="1") as opened:
        opened.wait_for(f"practice/parrot at {served.address}")
        yield opened


def say(screen: Terminal, text: str, *answers: str) -> None:
    """Type at the prompt, and wait for what comes of it."""
    screen.wait_for("> ")
    screen.type(text)
    for answer in answers:
        screen.wait_for(answer)


def test_a_conversation_from_the_first_word_to_the_last(screen) -> None:
    say(screen, "/why\r", "Nothing was asked yet.")
    say(screen, "what is \\\r", "… ")
    screen.type("6*7?\r")
    screen.wait_for("6 * 7 = 42")
    say(screen, "/why\r", "was served by practice-", "attempts ")
    say(screen, "/system Be brief.\r", "The model is told beforehand: Be brief.")
    say(screen, "/model practice/sage:cheapest\r", "practice/sage:cheapest answers from now on.")
    say(screen, "/nothing\r", "There is no /nothing; /help lists what there is.")
    say(screen, "/help\r", "begins a message with a slash.")
    say(screen, "/clear\r", "What was said so far is forgotten.")
    say(screen, "\x04")
    assert screen.end() == 0


def test_ctrl_c_ends_an_answer_or_a_line_and_never_the_conversation(screen) -> None:
    say(screen, "/model practice/sage:cheapest\r", "answers from now on.")
    say(screen, "count to 5000\r", "7, 8, 9, ")
    screen.type("\x03")
    screen.wait_for("stopped · practice-thrifty · ")
    for _ in range(2):
        # Completed by readline, so it is readline that gets the Ctrl-C, and not a terminal that is about to be its.
        say(screen, "/he\t", "/help")
        screen.type("\x03")
        screen.wait_for("Ctrl-D or /quit leaves.")
    say(screen, "/quit\r")
    assert screen.end() == 0


def test_what_goes_wrong_is_told_and_the_conversation_goes_on(screen) -> None:
    unfit = "practice/clerk:practice-flaky"
    say(screen, f"/model {unfit}\r", f"{unfit} answers from now on.", "waypost: ", "practice-flaky does not run")
    say(screen, "hi\r", "waypost: ", "practice-flaky does not run", "hint: ")
    say(screen, "/why\r", f"{unfit} refused with 400 model_not_supported")
    say(screen, "/model practice/parrot\r", "answers from now on.")
    say(screen, "what is 1+1\r", "1 + 1 = 2")
    say(screen, "\x04")
    assert screen.end() == 0


def test_a_model_that_there_is_not_is_told_at_once_and_the_one_before_stays(screen) -> None:
    say(
        screen, "/model practice/saeg\r", "waypost: The requested model 'practice/saeg' does not exist", "practice/sage"
    )
    say(screen, "/model practice/sage:cheepest\r", "waypost: ", "cheapest")
    say(screen, "/model\r", "practice/parrot answers.")
    say(screen, "\x04")
    assert screen.end() == 0


def test_a_conversation_with_a_model_that_there_is_not_never_begins(served) -> None:
    with terminal("chat", "-m", "practice/parot", WAYPOST_DATA=str(served.data), NO_COLOR="1") as opened:
        opened.wait_for("waypost: The requested model 'practice/parot' does not exist")
        assert opened.end() == 2
        assert "/help" not in opened.shown


def test_what_was_said_is_part_of_what_is_asked_next(screen) -> None:
    """A practice provider counts the prompt's tokens, and they grow with the conversation."""
    read = []
    for _ in range(2):
        say(screen, "//echo: one two three\r", "tokens/s · ")
        read.append(int(screen.wait_for(" + ").removesuffix(" + ")))
    say(screen, "\x04")
    assert screen.end() == 0
    assert read[1] > read[0] + 5
