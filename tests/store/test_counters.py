"""The owner's decisions alone; together with workers in `test_slices.py`."""

from typing import NamedTuple

from purses import NewPurse

from waypost.store.books import Counter, Verdict
from waypost.store.counters import SLICE_CALLS, Ask, Counters, Grant

MINUTE = Counter("requests:1", 100, 60)
STREAMS = Counter("streams:1", 10, 0)


class Said(NamedTuple):
    worker: int
    what: str


class Box:
    """What went out to workers."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Grant]] = []
        self.recalls: list[Said] = []

    def answer(self, ask: Ask, grant: Grant) -> None:
        self.answers.append((ask.worker, grant))

    def recall(self, worker: int, key: str, turn: int) -> None:
        self.recalls.append(Said(worker, key))


class Clock:
    now = 1_200_000_030.0

    def __call__(self) -> float:
        return self.now


def counters(workers: int = 0) -> tuple[Counters, Box, Clock]:
    box, clock = Box(), Clock()
    made = Counters(clock, box, NewPurse())
    made.workers = workers
    return made, box, clock


def test_a_minute_gives_what_its_limit_says_and_then_waits_for_the_next():
    made, _, clock = counters()
    granted = [made.try_take(Counter("k", 3, 60), 1) for _ in range(4)]
    assert [verdict.granted for verdict in granted] == [True, True, True, False]
    assert granted[0] == Verdict(True, 2, 30)
    clock.now += 30
    assert made.try_take(Counter("k", 3, 60), 1) == Verdict(True, 2, 60)


def test_what_is_taken_at_once_comes_back():
    made, _, _ = counters()
    two = Counter("s", 2, 0)
    assert [made.try_take(two, 1).granted for _ in range(3)] == [True, True, False]
    made.give(two, 1)
    assert made.try_take(two, 1).granted
    assert not made.try_take(two, 1).granted


def test_a_correction_may_use_more_than_the_limit_and_then_nothing_is_left():
    made, _, _ = counters()
    tokens = Counter("t", 100, 60)
    made.try_take(tokens, 90)
    made.give(tokens, -40)
    assert made.try_take(tokens, 1) == Verdict(False, 0, 30)


def test_what_comes_back_of_the_minute_before_is_not_given_out_in_this_one():
    made, _, clock = counters(workers=1)
    made.ask(Ask(1, MINUTE, 1, 1, None))
    clock.now += 60
    assert made.try_take(MINUTE, 100).granted
    made.returned(1, MINUTE.key, int(Clock.now) // 60, 30, recalled=False)
    assert not made.try_take(MINUTE, 1).granted


def test_a_changed_limit_counts_at_once():
    made, _, _ = counters()
    made.try_take(Counter("k", 10, 60), 5)
    assert not made.try_take(Counter("k", 5, 60), 1).granted
    assert made.try_take(Counter("k", 6, 60), 1).granted


def test_with_plenty_a_worker_gets_a_slice_and_with_little_only_what_it_asked():
    made, box, _ = counters(workers=2)
    made.ask(Ask(1, Counter("big", 10_000, 60), 1, 1, None))
    made.ask(Ask(1, Counter("small", 8, 60), 1, 1, None))
    assert [grant.slice for _, grant in box.answers] == [SLICE_CALLS, 0]


def test_slices_are_called_back_before_anybody_is_refused():
    made, box, _ = counters(workers=2)
    made.ask(Ask(1, MINUTE, 1, 1, None))
    held = 1 + box.answers[0][1].slice
    made.ask(Ask(2, MINUTE, 100 - held, 1, None))
    assert box.answers[1][1].granted
    made.ask(Ask(2, MINUTE, 1, 1, None))
    assert len(box.answers) == 2, "the answer waits for the first worker"
    assert box.recalls == [Said(1, "requests:1")]
    made.returned(1, "requests:1", int(Clock.now) // 60, held - 1, recalled=True)
    worker, grant = box.answers[2]
    assert (worker, grant.granted, grant.remaining + grant.slice) == (2, True, held - 2)


def test_a_worker_that_asked_before_its_slice_came_is_not_refused_while_it_holds_it():
    made, box, _ = counters(workers=1)
    ten = Counter("k", 10, 60)
    for _ in range(8):
        made.ask(Ask(1, ten, 1, 1, None))
    assert box.answers[0][1].slice == 4
    assert len(box.answers) == 6, "five more were left"
    assert box.recalls == [Said(1, "k")]
    made.returned(1, "k", int(Clock.now) // 60, 4, recalled=True)
    assert [grant.granted for _, grant in box.answers] == [True] * 8


def test_nothing_is_handed_out_ahead_while_others_wait_for_it():
    made, box, _ = counters(workers=1)
    made.ask(Ask(1, MINUTE, 1, 1, None))
    held = 1 + box.answers[0][1].slice
    made.ask(Ask(2, MINUTE, 100 - held, 1, None))
    for _ in range(held - 1):
        made.ask(Ask(2, MINUTE, 1, 1, None))
    made.returned(1, MINUTE.key, int(Clock.now) // 60, held - 1, recalled=True)
    assert [grant.granted for _, grant in box.answers] == [True] * (held + 1)


def test_a_worker_that_does_not_answer_a_recall_keeps_what_it_holds_and_others_are_refused():
    made, box, _ = counters(workers=2)
    made.ask(Ask(1, MINUTE, 1, 1, None))
    made.ask(Ask(2, MINUTE, 100, 1, None))
    assert len(box.answers) == 1
    made.overdue("requests:1", 0)
    assert len(box.answers) == 1, "an older recall's alarm"
    made.overdue("requests:1", 1)
    assert not box.answers[1][1].granted
    made.ask(Ask(2, MINUTE, 100, 1, None))
    assert not box.answers[2][1].granted, "nobody waits twice for a silent worker"


def test_a_dead_worker_gives_back_its_streams_but_not_its_requests():
    made, _, _ = counters(workers=1)
    made.ask(Ask(1, STREAMS, 4, 1, None))
    made.ask(Ask(1, MINUTE, 4, 1, None))
    made.gone(1)
    assert made.try_take(STREAMS, 10).granted
    verdict = made.try_take(MINUTE, 1)
    assert verdict.granted
    assert verdict.remaining < 96


def test_those_who_wait_are_answered_when_the_worker_they_wait_for_dies():
    made, box, _ = counters(workers=2)
    made.ask(Ask(1, STREAMS, 1, 1, None))
    made.returned(1, STREAMS.key, 0, 0, recalled=False)
    held = 1 + box.answers[0][1].slice
    made.ask(Ask(2, STREAMS, 10, 1, None))
    assert (len(box.answers), held > 1) == (1, True)
    made.gone(1)
    assert box.answers[1][1].granted


def test_the_owner_itself_cannot_tell_while_slices_are_out():
    made, _, _ = counters(workers=1)
    made.ask(Ask(1, MINUTE, 1, 1, None))
    assert made.try_take(MINUTE, 99) is None


def test_counters_that_no_longer_count_are_forgotten():
    made, _, clock = counters()
    for number in range(1000):
        made.try_take(Counter(f"k{number}", 3, 60), 1)
    held = Counter("held", 3, 0)
    made.try_take(held, 1)
    clock.now += 120
    made.try_take(Counter("new", 3, 60), 1)
    assert set(made._tallies) == {"held", "new"}
