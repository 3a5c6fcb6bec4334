"""A conversation on a terminal."""

from __future__ import annotations

from commandline import terminal


def test_a_conversation_from_the_first_word_to_the_last(served) -> None:
    with terminal("chat", "-m", "practice/parrot", WAYPOST_DATA=str(served.data), NO_COLOR="1") as screen:
        screen.wait_for(f"practice/parrot at {served.address}")
        screen.wait_for("> ")
        screen.type("/why\r")
        screen.wait_for("Nothing was asked yet.")
        screen.type("what is \\\r6*7?\r")
        screen.wait_for("6 * 7 = 42")
        screen.wait_for(" · req_")
        screen.type("/why\r")
        screen.wait_for("was served by practice-swift")
        screen.wait_for("attempts ")
        screen.type("/system Be brief.\r")
        screen.wait_for("The model is told beforehand: Be brief.")
        screen.type("/model practice/sage:cheapest\r")
        screen.wait_for("practice/sage:cheapest answers from now on.")
        screen.type("count to 5000\r")
        screen.wait_for("7, 8, 9, ")
        screen.type("\x03")
        screen.wait_for("stopped · practice-thrifty · ")
        screen.type("/model no/such\r")
        screen.wait_for("no/such answers from now on.")
        screen.type("hi\r")
        screen.wait_for("waypost: The requested model 'no/such' does not exist")
        screen.wait_for("hint: ")
        screen.type("/why\r")
        screen.wait_for("no/such refused with 400 model_not_found")
        screen.type("/nothing\r")
        screen.wait_for("There is no /nothing; /help lists what there is.")
        screen.type("/help\r")
        screen.wait_for("begins a message with a slash.")
        screen.type("/clear\r")
        screen.wait_for("What was said so far is forgotten.")
        screen.type("\x03")
        screen.wait_for("Ctrl-D or /quit leaves.")
        screen.wait_for("> ")
        screen.type("\x04")
        assert screen.end() == 0


def test_what_was_said_is_part_of_what_is_asked_next(served) -> None:
    """A practice provider counts the prompt's tokens, and they grow with the conversation."""
    with terminal("chat", "-m", "practice/parrot", WAYPOST_DATA=str(served.data), NO_COLOR="1") as screen:
        read = []
        for _ in range(2):
            screen.wait_for("> ")
            screen.type("//echo: one two three\r")
            screen.wait_for(" · ")
            screen.wait_for("tokens/s · ")
            read.append(int(screen.wait_for(" + ").removesuffix(" + ")))
            screen.wait_for("req_")
        screen.wait_for("> ")
        screen.type("\x04")
        assert screen.end() == 0
    assert read[1] > read[0] + 5
