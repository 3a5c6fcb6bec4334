"""Owner and workers together, with every order in which their messages may cross."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from purses import NewPurse

from waypost.store.books import STANDING, Counter
from waypost.store.counters import Ask, Counters, Grant
from waypost.store.slices import Returned, Slices

WORKERS = 3
CREDITS = 5000


class Worker:
    """A worker with its line to the owner, in order in both directions."""

    def __init__(self, number: int, crowd: "Crowd") -> None:
        self.number = number
        self.up: deque = deque()
        self.down: deque = deque()
        self.slices = Slices(lambda: crowd.now, self.up.append, self.renew)
        self.using = 0
        self.asking = 0

    def renew(self, counter: Counter, unit: int) -> None:
        self.up.append(Ask(self.number, counter, 0, unit, None))


class Crowd(RuleBasedStateMachine):
    """Streams at once under a limit: never more than it at any moment, and no refusal while one is free everywhere."""

    window_seconds = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_200_000_000.0
        self.workers = {number: Worker(number, self) for number in range(1, WORKERS + 1)}
        self.owner = Counters(
            lambda: self.now, self, NewPurse(k=(-CREDITS, 0) if self.window_seconds == STANDING else (0, None))
        )
        self.owner.workers = WORKERS
        self.counter = Counter("k", 20, self.window_seconds)
        self.spent_in: dict[int, int] = {}

    # The owner's post.
    def answer(self, ask: Ask, grant: Grant) -> None:
        tally = self.owner._tallies[ask.counter.key]
        if ask.amount and not grant.granted and not tally.overdue:
            assert not self.unspent(grant.window), "refused while somebody held some of it"
        self.workers[ask.worker].down.append((ask, grant))

    def unspent(self, window: int) -> int:
        """What workers hold and have not spent, or will hold when they hear what is on its way."""
        total = 0
        for worker in self.workers.values():
            held = worker.slices._slices.get(self.counter.key)
            total += held.left if held is not None and held.window == window else 0
            answers = [message[1] for message in worker.down if isinstance(message, tuple)]
            total += sum(grant.slice for grant in answers if grant.window == window)
        return total

    def recall(self, worker: int, key: str, turn: int) -> None:
        self.workers[worker].down.append(key)

    def spend(self, worker: Worker, window: int) -> None:
        worker.using += 1
        self.spent_in[window] = self.spent_in.get(window, 0) + 1

    @rule(number=st.integers(1, WORKERS))
    def take(self, number: int) -> None:
        worker = self.workers[number]
        verdict = worker.slices.try_take(self.counter, 1)
        if verdict is None:
            worker.slices.surrender(self.counter)
            worker.asking += 1
            worker.up.append(Ask(number, self.counter, 1, 1, "take"))
        else:
            assert verdict.granted
            self.spend(worker, int(self.now) // 60)

    @precondition(lambda self: self.window_seconds == 0)
    @rule(number=st.integers(1, WORKERS))
    def give(self, number: int) -> None:
        worker = self.workers[number]
        if worker.using:
            worker.using -= 1
            worker.slices.give(self.counter, 1)

    @rule(number=st.integers(1, WORKERS), count=st.integers(1, 5))
    def owner_hears(self, number: int, count: int) -> None:
        worker = self.workers[number]
        for _ in range(min(count, len(worker.up))):
            message = worker.up.popleft()
            if isinstance(message, Returned):
                key, window, amount, recalled = message
                self.owner.returned(number, key, window, amount, recalled=recalled)
            else:
                self.owner.ask(message)

    @rule(number=st.integers(1, WORKERS), count=st.integers(1, 5))
    def worker_hears(self, number: int, count: int) -> None:
        worker = self.workers[number]
        for _ in range(min(count, len(worker.down))):
            message = worker.down.popleft()
            if isinstance(message, str):
                worker.slices.recall(message)
                continue
            ask, grant = message
            verdict = worker.slices.granted(ask.counter, grant)
            if ask.note is not None:
                worker.asking -= 1
                if verdict.granted:
                    self.spend(worker, grant.window)

    @rule(seconds=st.sampled_from([0.1, 1.1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for worker in self.workers.values():
            worker.slices.tidy()

    @rule()
    def the_owner_waits_no_longer(self) -> None:
        tally = self.owner._tallies.get(self.counter.key)
        if tally is not None:
            self.owner.overdue(self.counter.key, tally.turn)

    @invariant()
    def never_more_than_the_limit(self) -> None:
        if self.window_seconds == 0:
            assert sum(worker.using for worker in self.workers.values()) <= self.counter.limit

    def teardown(self) -> None:
        """When everything was heard, what is held is what is used, and everything else can be taken."""
        for _ in range(1000):
            if not any(worker.up or worker.down for worker in self.workers.values()):
                break
            for number in self.workers:
                self.owner_hears(number, 100)
                self.worker_hears(number, 100)
        assert not any(worker.asking for worker in self.workers.values()), "somebody waits for ever"
        if self.window_seconds == 0:
            self.free_ones_can_be_taken()

    def free_ones_can_be_taken(self) -> None:
        free = self.counter.limit - sum(worker.using for worker in self.workers.values())
        for _ in range(free + 1):
            self.take(1)
            for _ in range(4):
                for number in self.workers:
                    self.owner_hears(number, 100)
                    self.worker_hears(number, 100)
        assert sum(worker.using for worker in self.workers.values()) == self.counter.limit


class Minute(Crowd):
    """Requests a minute: never more than the limit in any calendar minute."""

    window_seconds = 60

    @rule()
    def a_minute_turns(self) -> None:
        self.now = (self.now // 60 + 1) * 60

    @invariant()
    def never_more_than_the_limit_in_a_minute(self) -> None:
        assert all(spent <= self.counter.limit for spent in self.spent_in.values())


class Credits(Crowd):
    """Money: holds of any amount, charges of any part of them, workers that die, commands that give and take."""

    window_seconds = STANDING

    def __init__(self) -> None:
        super().__init__()
        self.credits = CREDITS
        self.holds: dict[int, list[int]] = {number: [] for number in self.workers}
        self.charged = 0

    @rule(number=st.integers(1, WORKERS), amount=st.integers(1, 300))
    def take(self, number: int, amount: int) -> None:
        worker = self.workers[number]
        verdict = worker.slices.try_take(self.counter, amount)
        if verdict is None:
            worker.slices.surrender(self.counter)
            worker.asking += 1
            worker.up.append(Ask(number, self.counter, amount, amount, worker))
        else:
            self.holds[number].append(amount)

    @rule(number=st.integers(1, WORKERS), part=st.integers(0, 10))
    def settle(self, number: int, part: int) -> None:
        if self.holds[number]:
            worker, hold = self.workers[number], self.holds[number].pop()
            charge = hold * part // 10
            self.charged += charge
            worker.slices.give(self.counter, hold - charge)
            worker.up.append(charge)

    @rule(number=st.integers(1, WORKERS), count=st.integers(1, 5))
    def owner_hears(self, number: int, count: int) -> None:
        worker = self.workers[number]
        for _ in range(min(count, len(worker.up))):
            message = worker.up.popleft()
            if isinstance(message, int):
                self.owner.spent(number, self.counter.key, message)
            elif isinstance(message, Returned):
                key, window, amount, recalled = message
                self.owner.returned(number, key, window, amount, recalled=recalled)
            else:
                self.owner.ask(message)

    @rule(number=st.integers(1, WORKERS), count=st.integers(1, 5))
    def worker_hears(self, number: int, count: int) -> None:
        worker = self.workers[number]
        for _ in range(min(count, len(worker.down))):
            message = worker.down.popleft()
            if isinstance(message, str):
                worker.slices.recall(message)
                continue
            ask, grant = message
            if ask.note is not None and ask.note is not worker:
                continue  # for the worker that died
            verdict = worker.slices.granted(ask.counter, grant)
            if ask.note is not None:
                worker.asking -= 1
                if verdict.granted:
                    self.holds[number].append(ask.amount)

    @rule(number=st.integers(1, WORKERS), part=st.integers(0, 10))
    def die(self, number: int, part: int) -> None:
        """What it said still arrives; then its open calls are ended, and another takes its place."""
        self.owner_hears(number, len(self.workers[number].up))
        self.owner.gone(number)
        for hold in self.holds[number]:
            self.charged += hold * part // 10
            self.owner.moved(self.counter.key, -(hold * part // 10))
        self.holds[number] = []
        self.workers[number] = Worker(number, self)
        self.owner.swept(number)

    @rule(amount=st.integers(1, 500))
    def credits_come(self, amount: int) -> None:
        self.credits += amount
        self.owner.moved(self.counter.key, amount)

    @invariant()
    def never_more_than_there_is(self) -> None:
        assert self.charged + sum(map(sum, self.holds.values())) <= self.credits

    def teardown(self) -> None:
        super().teardown()
        held = sum(map(sum, self.holds.values()))
        unspent = sum(
            slice_.left
            for worker in self.workers.values()
            if (slice_ := worker.slices._slices.get(self.counter.key)) is not None
        )
        assert self.owner.free(self.counter) + unspent == self.credits - self.charged - held


TestStreamsAtOnce = Crowd.TestCase
TestStreamsAtOnce.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)
TestRequestsAMinute = Minute.TestCase
TestCredits = Credits.TestCase
TestCredits.settings = settings(max_examples=100, stateful_step_count=80, deadline=None)
TestRequestsAMinute.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)


def test_a_slice_is_spent_without_asking_and_renewed_before_it_is_gone():
    asked: list[int] = []
    slices = Slices(lambda: 1_200_000_000.0, lambda _: None, lambda _, unit: asked.append(unit))
    counter = Counter("k", 1000, 60)
    assert slices.try_take(counter, 1) is None
    slices.granted(counter, Grant(True, 900, 60, 20_000_000, 32))
    for _ in range(32):
        assert slices.try_take(counter, 1).granted
    assert asked == [1], "asked once, while some was left"
    assert slices.try_take(counter, 1) is None


def test_an_idle_slice_is_given_back_after_a_second():
    now = [1_200_000_000.0]
    given: list[Returned] = []
    slices = Slices(lambda: now[0], given.append, lambda *_: None)
    slices.granted(Counter("k", 1000, 0), Grant(True, 900, 0, 0, 32))
    now[0] += 0.5
    slices.tidy()
    assert given == []
    now[0] += 0.6
    slices.tidy()
    assert given == [Returned("k", 0, 32)]


def test_after_a_recall_what_is_given_back_goes_to_the_owner_at_once():
    given: list[Returned] = []
    slices = Slices(lambda: 1_200_000_000.0, given.append, lambda *_: None)
    counter = Counter("k", 1000, 0)
    slices.granted(counter, Grant(True, 900, 0, 0, 32))
    slices.try_take(counter, 1)
    slices.give(counter, 1)
    assert given == [], "kept for the next call"
    slices.try_take(counter, 1)
    slices.recall("k")
    slices.give(counter, 1)
    assert given == [Returned("k", 0, 31, recalled=True), Returned("k", 0, 1)]


def test_a_changed_limit_is_asked_about():
    slices = Slices(lambda: 1_200_000_000.0, lambda _: None, lambda *_: None)
    slices.granted(Counter("k", 1000, 0), Grant(True, 900, 0, 0, 32))
    assert slices.try_take(Counter("k", 5, 0), 1) is None
