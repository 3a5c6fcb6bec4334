import random

import pytest
from money_rows import COST, settle_call, write_price
from sample_bills import START_MS

from waypost.domain.ledger import period_of
from waypost.store.accounts import account_named
from waypost.store.credits import AdjustArgs, ExpireArgs, IncludedArgs, RefundArgs, adjust, expire, included, refund
from waypost.store.desk import Desk
from waypost.store.replay import COMMANDS, Difference, MendArgs, mend, replay
from waypost.store.rollup import DAY, roll_through
from waypost.store.transfers import Wanted, move
from waypost.store.verify import verify

MONTH = period_of(START_MS)
USD = 1_000_000_000


@pytest.fixture
def books(sql):
    write_price(sql)
    for name in ("ada", "ben"):
        sql.insert("users", ["name", "created_at"], [[name, 0]])
    desk = Desk(sql, START_MS)
    move(desk, Wanted("topup", "granted", "user:1", USD, "pay-1"))
    move(desk, Wanted("grant", "granted", "user:1", 3 * COST, expires_at=START_MS + 1_000_000))
    for n in range(4):
        last = settle_call(sql, START_MS + 1 + n, subjects=("user:1",))
    roll_through(sql, 0, last)
    assert replay(sql) == []
    return sql


BROKEN = {
    "UPDATE accounts SET posted = posted + 5 WHERE name = 'user:1'": ("balance", "user:1", 5),
    "UPDATE accounts SET period_used = period_used - 5 WHERE name = 'user:1'": ("month_used", "user:1", -5),
    "UPDATE accounts SET period = period + 1 WHERE name = 'user:1'": ("month", "user:1", 1),
    "UPDATE spending SET used = used + 5": ("spending", "user:1", 5),
    "UPDATE lots SET remaining = 5": ("lot", "user:1", 5),
    "UPDATE usage_days SET charge = charge + 5": ("day_sums", "2026-09-21", 5),
}


@pytest.mark.parametrize("statement", BROKEN)
def test_what_is_not_what_entries_come_to_is_shown_and_mended(books, statement):
    books.run(statement)
    (difference,) = replay(books)
    assert (difference.what, difference.of, difference.kept - difference.rebuilt) == BROKEN[statement]
    assert difference.certain
    mend(books, [difference])
    assert replay(books) == list(verify(books)) == []


def test_spending_of_a_limit_that_began_within_the_month_is_shown_and_left_alone(books):
    books.run("UPDATE spending SET used = used - 5")
    (difference,) = replay(books)
    assert difference == Difference("spending", "user:1", 4 * COST - 5, 4 * COST, certain=False, number=MONTH)
    assert COMMANDS["ledger.mend"].run(Desk(books, START_MS), MendArgs()) == []


def test_the_command_tells_who_counts_credits_what_moved(books):
    desk = Desk(books, START_MS)
    books.run("UPDATE accounts SET posted = posted + 5 WHERE name = 'user:1'")
    (done,) = COMMANDS["ledger.mend"].run(desk, MendArgs())
    assert (done.what, desk.moves) == ("balance", [("user:1", -5)])


def test_lots_of_accounts_whose_calls_were_deleted_are_left_alone(books):
    desk = Desk(books, START_MS + 99)
    books.run("DELETE FROM calls WHERE id = (SELECT min(id) FROM calls)")
    move(desk, Wanted("carried", "user:1", "provider:alpha", COST))
    books.run("UPDATE accounts SET posted = posted + :cost WHERE name = 'user:1'", {"cost": COST})
    books.run("UPDATE accounts SET posted = posted - :cost WHERE name = 'provider:alpha'", {"cost": COST})
    books.run("UPDATE usage_state SET deleted_to = :id", {"id": START_MS // 86_400_000 * DAY + 1})
    books.run("UPDATE lots SET remaining = 1")
    assert replay(books) == []


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happened_happens_again_in_the_same_way(sql, seed):
    choose = random.Random(seed)
    write_price(sql)
    for name in ("ada", "ben"):
        sql.insert("users", ["name", "created_at"], [[name, 0]])
    desk = Desk(sql, START_MS)
    lots = []
    for _ in range(40):
        desk.now_ms += choose.randrange(1, 50) * 100
        who = choose.choice(["user:1", "user:2"])
        account = account_named(sql, who)
        match choose.randrange(7):
            case 0:
                move(desk, Wanted("grant", "granted", who, choose.randrange(1, 3 * COST)))
            case 1:
                ends = desk.now_ms + choose.randrange(5_000)
                lots.append(move(desk, Wanted("grant", "granted", who, choose.randrange(1, 3 * COST), expires_at=ends)))
            case 2:
                adjust(desk, AdjustArgs(who, -choose.randrange(1, COST), taken=choose.randrange(COST)))
            case 3 if account is not None:
                refund(desk, RefundArgs(account=who, amount=choose.randrange(1, COST)))
            case 4 if lots:
                lot = lots.pop(0)
                desk.now_ms = max(desk.now_ms, lot.transfer.expires_at)
                expire(desk, ExpireArgs(lot.transfer.id, choose.randrange(2 * COST)))
            case 5:
                included(desk, IncludedArgs(who, MONTH, COST))
            case _:
                settle_call(sql, desk.now_ms + 1, account=who, total_us=choose.randrange(90_000))
                desk.now_ms += 95
    assert replay(sql) == []
    assert {finding.invariant for finding in verify(sql)} <= {"floor", "sides"}


def test_a_correction_and_the_rest_that_the_operator_bears_happen_together(sql):
    write_price(sql)
    sql.insert("users", ["name", "created_at"], [["ada", 0]])
    desk = Desk(sql, START_MS)
    move(desk, Wanted("grant", "granted", "user:1", 100, expires_at=START_MS + 9))
    adjust(desk, AdjustArgs("user:1", -100, taken=10))
    assert sql.value("SELECT remaining FROM lots") == 90
    assert replay(sql) == []


@pytest.mark.parametrize("facts", [{"total_us": 0}, {"total_us": 1_000}, {"total_us": 1_000_000}])
def test_lots_of_whom_the_order_of_charges_is_not_known_are_shown_and_left_alone(sql, facts):
    write_price(sql)
    sql.insert("users", ["name", "created_at"], [["ada", 0]])
    desk = Desk(sql, START_MS + 1_000)
    move(desk, Wanted("grant", "granted", "user:1", 3 * COST, expires_at=START_MS + 1_000_000))
    settle_call(sql, START_MS, **facts)  # swept, or long on its way to the disk: written behind the grant
    found = [(one.what, one.certain) for one in replay(sql)]
    assert found in ([("lot", False)], [])
    assert COMMANDS["ledger.mend"].run(desk, MendArgs()) == []
