import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from money_rows import COST, USAGE, settle_call, write_call
from sample_bills import START_MS

from waypost.domain.ledger import period_of
from waypost.domain.requests import first_number_at
from waypost.store import rollup
from waypost.store.rollup import DAY_MS, Rollup, keep_sums
from waypost.store.rows import ESTIMATED, OWN_KEY, SERVED
from waypost.store.usage import GROUPS, Sums, Wanted, calls_page, calls_pages, date_of, span_of, spent, usage

TODAY = START_MS - START_MS % DAY_MS
ONE = Sums(1, 0, 0, 0, 0, *USAGE[:4], COST, 0)


@pytest.fixture
def small_steps(monkeypatch):
    monkeypatch.setattr(rollup, "STEP_CALLS", 3)
    monkeypatch.setattr(rollup, "BEHIND_CALLS", 1)
    monkeypatch.setattr(rollup, "LATE_TOGETHER", 2)


def total(sql, **wanted) -> Sums:
    return usage(sql, Wanted(**wanted)).total


def grouped(sql, *by, **wanted) -> dict:
    answer = usage(sql, Wanted(by=by, **wanted))
    assert answer.total == plus(group.sums for group in answer.groups)
    return {tuple(group.key[name] for name in by): group.sums for group in answer.groups}


def plus(sums) -> Sums:
    return Sums(*(sum(column) for column in zip(Sums(), *sums, strict=True)))


def times(sums: Sums, count: int) -> Sums:
    return Sums(*(value * count for value in sums))


def test_nothing_adds_up_to_nothing(sql):
    assert total(sql) == total(sql, account="user:1", since_ms=0, until_ms=START_MS) == Sums()
    assert usage(sql, Wanted(by=("day",))).groups == []


def test_a_call_counts_with_its_tokens_and_its_charge(sql):
    write_call(sql, START_MS)
    assert total(sql) == ONE


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"state": 2, "charge_nano_usd": 0, "flags": 0}, {"requests": 0, "failed": 1, "charge": 0}),
        ({"state": None, "flags": 0, "charge_nano_usd": 0}, {"requests": 0, "failed": 1, "charge": 0}),
        ({"state": None, "price_version": None}, {"requests": 1, "unpriced": 1, "own_key": 0, "charge": 0}),
        ({"state": 2, "price_version": None}, {"requests": 1, "unpriced": 1, "own_key": 0, "charge": 0}),
        (
            {"state": None, "flags": SERVED | OWN_KEY, "price_version": None},
            {"requests": 1, "unpriced": 0, "own_key": 1, "charge": 0},
        ),
        ({"flags": SERVED | ESTIMATED}, {"requests": 1, "estimated": 1, "charge": COST}),
        ({"flags": 0}, {"requests": 1, "failed": 0, "charge": COST}),
        ({"overrun_nano_usd": 7}, {"requests": 1, "overrun": 7}),
        ({"input": None, "cached_input": None, "output": None, "reasoning": None}, {"input": 0, "output": 0}),
    ],
    ids=[
        "voided",
        "refused",
        "no known price",
        "a hold, but no price",
        "own key",
        "estimated",
        "left before a word",
        "overrun",
        "no usage",
    ],
)
def test_each_kind_of_call_is_counted_as_what_it_is(sql, facts, counts):
    write_call(sql, START_MS, **facts)
    assert {name: value for name, value in total(sql)._asdict().items() if name in counts} == counts


def test_a_call_that_still_runs_does_not_count(sql):
    write_call(sql, START_MS, state=0)
    assert total(sql) == Sums()


def test_usage_is_of_a_payer_of_a_user_or_of_a_token(sql):
    write_call(sql, START_MS)
    write_call(sql, START_MS + 1, account="org:3", payer="organisation acme", token_id=2)
    write_call(sql, START_MS + 2, account="org:3", user_id=2, token_id=3)
    assert total(sql).requests == 3
    assert total(sql, account="org:3").requests == 2
    assert total(sql, user=1).requests == 2
    assert total(sql, account="org:3", user=1).requests == 1
    assert total(sql, token=3).requests == 1
    assert total(sql, account="org:4") == Sums()


def test_usage_is_grouped_by_what_is_asked(sql):
    sql.run("INSERT INTO users (name, created_at) VALUES ('ada', 0)")
    sql.run("INSERT INTO users (name, created_at) VALUES ('ben', 0)")
    write_call(sql, START_MS, session="s-1")
    write_call(sql, START_MS + 1, model="acme/two", provider="beta", session="s-1")
    write_call(sql, START_MS + DAY_MS, user_id=2, token_id=None)
    assert grouped(sql, "day") == {(date_of(TODAY // DAY_MS),): times(ONE, 2), (date_of(TODAY // DAY_MS + 1),): ONE}
    assert grouped(sql, "model") == {("acme/one",): times(ONE, 2), ("acme/two",): ONE}
    assert grouped(sql, "provider", "member") == {("alpha", 1): ONE, ("alpha", 2): ONE, ("beta", 1): ONE}
    assert grouped(sql, "token") == {(0,): ONE, (1,): times(ONE, 2)}
    assert grouped(sql, "session") == {("s-1",): times(ONE, 2)}
    assert grouped(sql, "session", "member") == {("s-1", 1): times(ONE, 2)}
    (ada, ben) = usage(sql, Wanted(by=("member",))).groups
    assert (ada.key, ben.key) == ({"member": 1, "member_name": "ada"}, {"member": 2, "member_name": "ben"})


@pytest.mark.parametrize("by", [("week",), ("day", "day"), ("session", "model")])
def test_what_cannot_be_grouped_is_said(sql, by):
    with pytest.raises(ValueError, match=r"group|together"):
        usage(sql, Wanted(by=by))


def test_a_range_begins_with_its_first_millisecond_and_ends_before_its_last(sql):
    for ms in (START_MS - 1, START_MS, START_MS + 1, START_MS + 2):
        write_call(sql, ms)
    assert total(sql, since_ms=START_MS, until_ms=START_MS + 2).requests == 2
    assert total(sql, since_ms=START_MS + 2).requests == 1
    assert total(sql, until_ms=START_MS).requests == 1
    assert total(sql, since_ms=START_MS + 2, until_ms=START_MS) == Sums()
    assert total(sql, since_ms=1 << 70, until_ms=1 << 71) == Sums()


def test_where_a_part_of_a_days_calls_are_gone_the_whole_day_is_counted_and_said():
    noon = TODAY + DAY_MS // 2
    gone = first_number_at(noon + 5)
    assert span_of(Wanted(since_ms=noon, until_ms=noon + DAY_MS), 0)[3:] == (noon, noon + DAY_MS)
    assert span_of(Wanted(since_ms=noon, until_ms=noon + DAY_MS), gone)[3:] == (TODAY, noon + DAY_MS)
    assert span_of(Wanted(since_ms=noon, until_ms=noon + 9), gone)[3:] == (TODAY, TODAY + DAY_MS)
    assert span_of(Wanted(since_ms=noon + 6, until_ms=noon + 9), gone)[3:] == (noon + 6, noon + 9)
    assert span_of(Wanted(since_ms=TODAY, until_ms=noon), gone)[3:] == (TODAY, TODAY + DAY_MS)


def test_usage_outlives_its_calls(sql):
    numbers = [write_call(sql, START_MS + n, session=f"s-{n % 2}") for n in range(5)]
    wanted = {"since_ms": TODAY, "until_ms": TODAY + DAY_MS}
    before = [grouped(sql, name, **wanted) for name in GROUPS]
    with sql.savepoint():
        keep_sums(sql, numbers[2])
        sql.run("DELETE FROM calls WHERE id <= :last", {"last": numbers[2]})
    sql.run("DELETE FROM names WHERE text = 'acme/one'")
    write_call(sql, START_MS + 9, model="acme/two")
    assert total(sql, **wanted) == times(ONE, 6)
    assert [grouped(sql, name, **wanted) for name in ("session", "day")] == [
        before[5],
        {(date_of(TODAY // DAY_MS),): times(ONE, 6)},
    ]


def test_what_a_subject_spent_in_a_month_is_summed(sql):
    month = period_of(START_MS)
    settle_call(sql, START_MS)
    settle_call(sql, START_MS + 1, account="org:3", user_id=1)
    settle_call(sql, START_MS + 2, account="org:3", user_id=2, token_id=7)
    subjects = ("user:1", "org:3", "member:3:1", "member:3:2", "token:1", "token:7", "org:9")
    assert [spent(sql, subject, month) // COST for subject in subjects] == [1, 2, 1, 1, 2, 1, 0]
    assert spent(sql, "user:1", month - 1) == 0


def test_calls_are_exported_page_by_page_and_nobody_takes_an_unknown_price_for_nothing(sql):
    numbers = [write_call(sql, START_MS + n, account="org:3" if n % 2 else "user:1") for n in range(7)]
    write_call(sql, START_MS + 8, state=None, price_version=None)
    write_call(sql, START_MS + 9, state=0)
    own = write_call(sql, START_MS + 10, state=2, charge_nano_usd=0, flags=SERVED | OWN_KEY)
    void = write_call(sql, START_MS + 11, state=2, charge_nano_usd=0)
    refused = write_call(sql, START_MS + 12, state=None, charge_nano_usd=0, flags=0, price_version=None)
    assert [call["id"] for call in calls_page(sql, Wanted(account="org:3"))] == numbers[1::2]
    pages = list(calls_pages(lambda question: question(sql), Wanted(), 3))
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    *priced, unpriced, with_key, voided, never_sent = [call for page in pages for call in page]
    assert [(call["id"], call["charge_nano_usd"]) for call in (with_key, voided, never_sent)] == [
        (own, None),
        (void, 0),
        (refused, 0),
    ]
    assert {call["charge_nano_usd"] for call in priced} == {COST}
    assert unpriced["charge_nano_usd"] is None
    assert (unpriced["model"], unpriced["provider"], unpriced["price_version"]) == ("acme/one", "alpha", None)
    between = Wanted(since_ms=START_MS + 2, until_ms=START_MS + 4)
    assert [call["id"] for call in calls_page(sql, between)] == numbers[2:4]


class Story:
    """Calls come, end, are summed and deleted in any order; a list of them stands beside."""

    def __init__(self, sql, seed: int) -> None:
        self.sql, self.choose = sql, random.Random(seed)
        self.rollup = Rollup(sql)
        self.calls: dict[int, dict] = {}
        self.gone_to = 0

    def come(self) -> None:
        ms = TODAY + self.choose.randrange(3 * DAY_MS)
        number = first_number_at(ms) + self.choose.randrange(1000)
        if number in self.calls or number <= self.gone_to:
            return
        facts = {
            "account": self.choose.choice(["user:1", "org:3"]),
            "user_id": self.choose.choice([1, 2, None]),
            "model": self.choose.choice(["a", "b", None]),
            "session": self.choose.choice(["s", None]),
            "state": self.choose.choice([0, 1, 1, 2, None]),
            "charge_nano_usd": self.choose.randrange(100),
        }
        with self.sql.savepoint():
            write_call(self.sql, ms, id=number, **facts)
            if number <= self.rollup.rolled_to:
                self.rollup.note_late([number])
        self.calls[number] = facts

    def end(self) -> None:
        for number in [number for number, facts in self.calls.items() if facts["state"] == 0][:1]:
            self.sql.run("UPDATE calls SET state = 1 WHERE id = :id", {"id": number})
            self.calls[number]["state"] = 1

    def step(self) -> None:
        self.rollup.step()

    def delete(self) -> None:
        old = sorted(number for number, facts in self.calls.items() if facts["state"] != 0)[:2]
        if len(old) == 2 and all(number > old[-1] for number, facts in self.calls.items() if facts["state"] == 0):
            with self.sql.savepoint():
                keep_sums(self.sql, old[-1])
                self.sql.run("DELETE FROM calls WHERE id <= :last", {"last": old[-1]})
            self.rollup.reload()
            self.gone_to = old[-1]

    def expected(self, since: int, until: int, **mine) -> tuple[int, int]:
        first, after = first_number_at(since), first_number_at(until)
        found = [
            facts
            for number, facts in self.calls.items()
            if first <= number < after
            and facts["state"] != 0
            and all(facts[name] == value for name, value in mine.items())
        ]
        return len(found), sum(facts["charge_nano_usd"] for facts in found if facts["state"] == 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.integers(0, 1 << 30),
    st.lists(st.sampled_from(["come", "come", "come", "come", "end", "step", "delete"]), min_size=20, max_size=60),
)
def test_usage_is_exactly_what_the_calls_add_up_to(sql, small_steps, seed, moves):
    for table in ("calls", "usage_days", "usage_sessions", "usage_late", "usage_dates", "usage_payers"):
        sql.run(f"DELETE FROM {table}")
    sql.run("UPDATE usage_state SET rolled_to = 0, deleted_to = 0")
    story = Story(sql, seed)
    for move in moves:
        getattr(story, move)()
    for _ in range(4):
        since, until = sorted(TODAY + story.choose.randrange(-DAY_MS, 4 * DAY_MS) for _ in range(2))
        if story.choose.random() < 0.3:
            since -= since % DAY_MS
        for scope, mine in (({}, {}), ({"account": "org:3"}, {"account": "org:3"}), ({"user": 1}, {"user_id": 1})):
            answer = usage(sql, Wanted(since_ms=since, until_ms=until, **scope))
            expected = story.expected(answer.since_ms, answer.until_ms, **mine)
            assert (answer.total.requests + answer.total.failed, answer.total.charge) == expected
            by_model = usage(sql, Wanted(since_ms=since, until_ms=until, by=("day", "model"), **scope))
            assert by_model.total == answer.total
            sessions = usage(sql, Wanted(since_ms=since, until_ms=until, by=("session",), **scope)).total
            with_session = story.expected(answer.since_ms, answer.until_ms, session="s", **mine)
            assert (sessions.requests + sessions.failed, sessions.charge) == with_session
