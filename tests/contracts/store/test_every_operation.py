"""A state machine over every operation of the ledger, beside an oracle; all that is always true, after every step."""

import shutil
import tempfile
from pathlib import Path

import pytest
from abacus import Words
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ledger_mutants import MUTANTS
from ledger_world import RATES, World

from waypost.domain.chat import Usage
from waypost.ledger.settlement import Ended

ACCOUNTS = st.sampled_from(["user:1", "org:1"])
AMOUNTS = st.integers(1, 3_000)
PLACES = st.permutations(range(len(RATES))).flatmap(
    lambda all_: st.integers(1, len(RATES)).map(lambda n: tuple(all_[:n]))
)
PICK = st.integers(0, 10**6)
OUTSIDE = st.none() | st.sampled_from(["pay-1", "pay-2", "pay-3"])
DAY_MS = 86_400_000
TOKENS = st.integers(0, 200) | st.integers(0, 3_000)
USAGES = st.tuples(TOKENS, st.integers(0, 100), TOKENS, st.integers(0, 100)).map(lambda tokens: Usage(*tokens))
WORDS = Words(100, max_tokens=100)


class Ledger(RuleBasedStateMachine):
    """Steps are a word to the owner; `World` says them and works out what they come to."""

    make: type[World] = World
    postgres = None

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="wp-"))
        self.database = self.postgres and self.postgres.new_database()
        self.world = self.make(self.folder, self.database)
        for account in ("user:1", "org:1"):
            self.world.grant("grant", account, 3_000, None, None)

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)
        if self.database is not None:
            self.postgres.drop(self.database)

    @invariant()
    def what_is_always_true(self) -> None:
        self.world.check()

    @rule(account=ACCOUNTS, amount=AMOUNTS, days=st.none() | st.integers(1, 40), outside=OUTSIDE)
    def grant(self, account, amount, days, outside) -> None:
        ends = None if days is None else self.world.now + days * DAY_MS
        self.world.grant("grant", account, amount, ends, outside)

    @rule(account=ACCOUNTS, amount=st.sampled_from([500, 1_000]), outside=st.sampled_from(["top-1", "top-2"]))
    def top_up(self, account, amount, outside) -> None:
        self.world.grant("topup", account, amount, None, outside)

    @rule(account=ACCOUNTS, amount=st.integers(-2_000, 1_000))
    def adjust(self, account, amount) -> None:
        self.world.adjust(account, amount)

    @rule(account=ACCOUNTS, amount=AMOUNTS)
    def pay_out(self, account, amount) -> None:
        self.world.pay_out(account, amount)

    @rule(account=ACCOUNTS, floor=st.integers(-1_000, 0))
    def allow(self, account, floor) -> None:
        self.world.allow(account, floor)

    @rule(
        who=st.integers(0, 2),
        places=PLACES,
        prompt=st.integers(0, 800),
        max_tokens=st.none() | st.integers(1, 300),
        choices=st.integers(1, 2),
        stream=st.sampled_from([True, False, None]),
    )
    def hold(self, who, places, prompt, max_tokens, choices, stream) -> None:
        self.world.hold(who, places, Words(prompt, 0, max_tokens, choices), stream=stream)

    @precondition(lambda self: self.world.open)
    @rule(pick=PICK, place=st.integers(0, 2), words=st.integers(0, 300))
    def progress(self, pick, place, words) -> None:
        self.world.progress(self.world.open[pick % len(self.world.open)], place, words)

    @rule(
        who=st.integers(0, 2),
        places=PLACES,
        prompt=st.integers(0, 300),
        ended=st.sampled_from(Ended),
        counted=st.none() | USAGES,
        stream=st.sampled_from([True, None]),
    )
    def hold_and_end(self, who, places, prompt, ended, counted, stream) -> None:
        call = self.world.hold(who, places, Words(prompt, 0, 50), stream=stream)
        if call is not None:
            self.world.end(call, ended, 0, counted, 30)

    @precondition(lambda self: self.world.open)
    @rule(
        pick=PICK,
        ended=st.sampled_from(Ended),
        place=st.integers(0, 2),
        counted=st.none() | USAGES,
        words=st.integers(0, 500),
    )
    def end(self, pick, ended, place, counted, words) -> None:
        self.world.end(self.world.open[pick % len(self.world.open)], ended, place, counted, words)

    @precondition(lambda self: self.world.charged)
    @rule(pick=PICK)
    def file_again(self, pick) -> None:
        numbers = sorted(self.world.charged)
        self.world.file_again(numbers[pick % len(numbers)])

    @precondition(lambda self: self.world.charged)
    @rule(pick=PICK, amount=st.none() | st.integers(1, 500))
    def refund(self, pick, amount) -> None:
        numbers = sorted(self.world.charged)
        self.world.refund(numbers[pick % len(numbers)], amount)

    @precondition(lambda self: self.world.expired)
    @rule(pick=PICK, usage=USAGES)
    def late(self, pick, usage) -> None:
        numbers = sorted(self.world.expired)
        self.world.late(self.world.expired[numbers[pick % len(numbers)]], usage)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(days=st.sampled_from([0.01, 1, 12, 31]))
    def pass_time(self, days) -> None:
        self.world.pass_time(int(days * DAY_MS))

    @rule()
    def end_lots(self) -> None:
        self.world.end_lots()

    @rule(keep=st.integers(0, 3))
    def forget(self, keep) -> None:
        self.world.forget(keep)


def play(kind: type[Ledger], runs: int) -> None:
    many = settings(
        max_examples=runs,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    run_state_machine_as_test(kind, settings=many)


@pytest.mark.timeout(7200)  # for the long form
def test_every_operation_leaves_the_books_as_the_oracle_says(full) -> None:
    play(Ledger, 2_000 if full else 25)


@pytest.mark.timeout(7200)
def test_every_operation_on_postgres(full, postgres) -> None:
    play(type("OnPostgres", (Ledger,), {"postgres": postgres}), 200 if full else 3)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_found_out(mutant) -> None:
    with pytest.raises((AssertionError, Flaky)):
        play(type("Mutant", (Ledger,), {"make": mutant}), 200)


@pytest.fixture
def world(folder, database):
    made = World(folder, database)
    yield made
    made.close()


def expired(world, who=2, words=WORDS):
    call = world.hold(who, (0,), words, stream=True)
    world.crash()
    assert call.bill.id in world.expired
    return call


def test_late_usage_takes_nothing_that_a_call_holds_in_memory_alone(world):
    call = expired(world)
    world.hold(2, (0,), Words(100, max_tokens=world.said.free("user:1") // 3 - 100), stream=None)
    world.late(call, Usage(300, 0, 100, 0))
    world.check()


def test_credits_that_end_leave_what_a_call_holds_in_memory_alone(world):
    world.grant("grant", "org:1", 900, world.now + 1000, None)
    world.pass_time(2000)
    world.hold(1, (0,), Words(100, max_tokens=200), stream=None)
    world.end_lots()
    world.check()


def test_included_credits_pay_for_the_call_that_brought_them(world):
    world.grant("grant", "user:1", 1000, None, None)
    world.pass_time(31 * DAY_MS)
    call = world.hold(2, (0,), Words(100, max_tokens=200), stream=None)
    world.end(call, Ended.DONE, 0, Usage(100, 0, 100, 0), 0)
    world.check()
    assert world.said.remaining("user:1")[-1][1] == 300


def test_waybills_that_went_while_an_older_call_ran_on_are_no_finding(world):
    world.hold(2, (0,), WORDS, stream=True)
    world.pass_time(31 * DAY_MS)
    call = world.hold(2, (0,), WORDS, stream=True)
    world.end(call, Ended.DONE, 0, Usage(100, 0, 100, 0), 0)
    world.forget(0)
    world.check()
