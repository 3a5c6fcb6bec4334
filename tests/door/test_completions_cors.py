"""A web page of an allowed origin may read what a call answers, also when it is refused."""

from crossroads import Clock
from reception import People

from waypost.domain.requests import RequestNumbers
from waypost.door.completions import ChatDoor
from waypost.door.cors import Cors
from waypost.door.problems import problem_writer
from waypost.journey import House
from waypost.wire.http11 import Request

ORIGIN = b"https://chat.example.com"


class Heard:
    """A reply that keeps its headers."""

    started = gone = False

    def send(self, status, headers, body):
        self.status = status
        self.headers = dict(line.split(": ", 1) for line in headers.decode().splitlines())


class Nowhere:
    """Books and a meter that keep nothing."""

    def file_stranger(self, bill):
        pass

    def ended(self, bill):
        pass


async def refused(**headers):
    nowhere, clock = Nowhere(), Clock()
    house = House(People().identity, None, None, None, None, None, nowhere, nowhere, clock)
    door = ChatDoor(house, problem_writer("waypost"), RequestNumbers(0, clock), Cors([ORIGIN.decode()]))
    path = "/v1/chat/completions"
    heard = Heard()
    door(Request("POST", path.encode(), path, b"", {k.encode(): v for k, v in headers.items()}), heard)
    await door.idle()
    return heard


def test_an_allowed_page_may_read_a_refusal(run):
    heard = run(refused(origin=ORIGIN))
    assert heard.status == 401
    assert heard.headers["access-control-allow-origin"] == ORIGIN.decode()


def test_other_pages_and_programs_get_no_such_headers(run):
    for headers in ({}, {"origin": b"https://evil.example"}):
        assert not [name for name in run(refused(**headers)).headers if name.startswith("access-control")]
