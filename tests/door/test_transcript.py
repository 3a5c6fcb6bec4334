"""A reply that is written down: what goes out at once, what waits, and who hears that the client left."""

import asyncio

import pytest

from waypost.door.transcript import BODY_BYTES_MAX, Transcript


class Line:
    """The connection's reply, as far as a transcript needs it."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.gone = False
        self.on_gone = self.on_drain = self.on_full = self.on_room = None

    def begin(self, status, headers) -> None:
        self.said.append((status, headers))

    def write(self, data) -> None:
        self.said.append(data)

    def finish(self, tail) -> None:
        self.said.append((tail, "end"))

    def send(self, status, headers, body) -> None:
        self.said.append((status, headers, body))

    def leave(self) -> None:
        self.gone = True
        self.on_gone()


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def script(line, heard):
    made = Transcript(line)
    for name in ("on_gone", "on_drain", "on_full", "on_room"):
        setattr(made, name, lambda name=name: heard.append(name))
    return made


def test_a_streams_words_go_at_once_and_its_end_waits(line, script) -> None:
    script.begin(200, b"h")
    script.write(b"one ")
    script.finish(b"two")
    assert line.said == [(200, b"h"), b"one "]
    assert (script.head, script.body) == (b"h", b"one two")
    script.let_go()
    script.let_go()
    assert line.said[2:] == [(b"two", "end")]


def test_a_whole_answer_waits(line, script) -> None:
    script.send(200, b"h", b"all")
    assert (line.said, script.head, script.body, script.started) == ([], b"h", b"all", True)
    script.let_go()
    assert line.said == [(200, b"h", b"all")]


def test_a_client_that_leaves_ends_nothing_and_holds_up_nothing(line, script, heard) -> None:
    script.begin(200, b"h")
    line.on_full()
    line.leave()
    assert heard == ["on_full", "on_room"]
    assert not script.gone
    script.write(b"more")
    assert script.body == b"more"
    line.on_drain()
    assert heard[-1] == "on_drain"


def test_what_is_too_long_is_not_kept_and_then_a_leaver_ends_it(line, script, heard) -> None:
    script.begin(200, b"h")
    script.write(b"x" * BODY_BYTES_MAX)
    assert script.body is not None
    script.write(b"y")
    assert script.body is None
    assert not script.gone
    line.leave()
    assert (script.gone, heard) == (True, ["on_gone"])


def test_who_left_before_it_was_too_long_ends_it_then_once_and_not_in_the_middle(line, script, heard) -> None:
    async def story() -> None:
        line.leave()
        for _ in range(3):
            script.write(b"x" * BODY_BYTES_MAX)
        assert heard == ["on_room"]
        await asyncio.sleep(0)
        assert heard == ["on_room", "on_gone"]

    asyncio.run(story())


def test_what_is_over_holds_on_to_nobody(line, script, heard) -> None:
    script.send(200, b"", b"")
    script.let_go()
    line.on_drain()
    line.leave()
    assert heard == []
