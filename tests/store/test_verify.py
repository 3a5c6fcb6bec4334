import pytest
from money_rows import COST, PRICE, estimated, settle_call, write_call, write_price
from sample_bills import START_MS

from waypost.domain.ledger import period_of
from waypost.domain.requests import request_id
from waypost.store.accounts import account_named
from waypost.store.credits import ExpireArgs, RefundArgs, expire, refund
from waypost.store.desk import Desk
from waypost.store.late import LateArgs, settle_late
from waypost.store.rollup import roll_through
from waypost.store.transfers import Wanted, move, post
from waypost.store.verify import ALWAYS, verify

MONTH = period_of(START_MS)
USD = 1_000_000_000


@pytest.fixture
def books(sql):
    """A little of everything: grants, lots, an end, a refund, calls of each state, late usage, sums."""
    desk = Desk(sql, START_MS)
    write_price(sql)
    for name in ("ada", "ben"):
        sql.insert("users", ["name", "created_at"], [[name, 0]])
    sql.insert("organisations", ["name", "created_at"], [["acme", 0]])
    sql.insert("epochs", ["id", "began_ms"], [[1, 0]])
    move(desk, Wanted("topup", "granted", "user:1", USD, "pay-1"))
    lot = move(desk, Wanted("grant", "granted", "user:1", 10 * COST, expires_at=START_MS)).transfer.id
    move(desk, Wanted("grant", "granted", "org:1", USD, expires_at=START_MS + 9))
    numbers = [
        settle_call(sql, START_MS + 1, subjects=("user:1", "token:1")),
        settle_call(sql, START_MS + 2, account="org:1", user_id=2, subjects=("org:1", "member:1:2")),
        settle_call(sql, START_MS + 3, hold_nano_usd=COST - 7, charge_nano_usd=COST - 7, overrun_nano_usd=7),
        settle_call(sql, START_MS + 4, **estimated({"hold_nano_usd": COST - 7, "charge_nano_usd": COST - 7})),
        write_call(sql, START_MS + 5, state=2, charge_nano_usd=0),
        write_call(sql, START_MS + 6, state=0, charge_nano_usd=0, epoch=1),
        write_call(sql, START_MS + 7, state=None, charge_nano_usd=12_345),
        write_call(sql, START_MS + 8, state=3, charge_nano_usd=0),
    ]
    expire(desk, ExpireArgs(lot, taken=COST))
    refund(desk, RefundArgs(call=numbers[0], amount=5))
    post(desk, Wanted("loss", "loss", "provider:alpha", 9, call=numbers[7]))
    settle_late(desk, LateArgs(numbers[7], 120, 30, 200, 40, taken=COST - 1))
    expired = write_call(sql, START_MS + 9, state=3, charge_nano_usd=0)
    post(desk, Wanted("loss", "loss", "provider:alpha", 9, call=expired))
    roll_through(sql, 0, numbers[3])
    assert list(verify(sql, living=[1])) == []
    sql.call, sql.lot = numbers, lot
    return sql


def test_what_is_whole_has_no_findings_and_what_is_empty_neither(sql, books):
    assert list(verify(books)) == []


def test_an_empty_ledger_is_whole(sql):
    assert list(verify(sql, living=[])) == []


BREAKS = {
    "balanced": ["UPDATE accounts SET posted = posted + 1 WHERE name = 'granted'"],
    "floor": ["UPDATE calls SET hold_nano_usd = 9000000000 WHERE state = 0"],
    "settled_once": ["UPDATE calls SET provider_account = NULL WHERE id = :first"],
    "unsettled_free": ["UPDATE calls SET charge_nano_usd = 5 WHERE state = 2"],
    "within_hold": ["UPDATE calls SET hold_nano_usd = charge_nano_usd - 1 WHERE id = :first"],
    "sides": ["UPDATE calls SET account = (SELECT id FROM accounts WHERE name = 'loss') WHERE id = :first"],
    "transfers": [
        (
            "INSERT INTO transfers (at_ms, kind, debit, credit, amount) SELECT 1, 'topup', d.id, c.id, 5"
            " FROM accounts d, accounts c WHERE d.name = 'user:1' AND c.name = 'provider:alpha'"
        )
    ],
    "refunds": [
        (
            "INSERT INTO transfers (at_ms, kind, debit, credit, amount, call) SELECT 1, 'refund', d.id, c.id, 999999,"
            " :first"
            " FROM accounts d, accounts c WHERE d.name = 'loss' AND c.name = 'user:1'"
        )
    ],
    "losses": [
        (
            "INSERT INTO transfers (at_ms, kind, debit, credit, amount, call) SELECT 1, 'loss', d.id, c.id, 5, :first"
            " FROM accounts d, accounts c WHERE d.name = 'loss' AND c.name = 'provider:alpha'"
        )
    ],
    "lots": ["UPDATE lots SET remaining = 2000000000 WHERE account = (SELECT id FROM accounts WHERE name = 'org:1')"],
    "lots_in_balance": ["UPDATE accounts SET posted = posted - 1 WHERE name = 'org:1'"],
    "no_dead_holds": ["UPDATE calls SET epoch = 7 WHERE state = 0"],
    "entries": [
        "UPDATE accounts SET posted = posted + 1 WHERE name = 'user:1'",
        "UPDATE accounts SET posted = posted - 1 WHERE name = 'granted'",
    ],
    "month_used": ["UPDATE accounts SET period_used = period_used + 1 WHERE name = 'org:1'"],
    "spending": ["UPDATE spending SET used = used + 1 WHERE subject = 'member:1:2'"],
    "charges": ["UPDATE calls SET input = input + 1 WHERE id = :first"],
    "usage_sums": ["UPDATE usage_days SET charge = charge + 1 WHERE account > 0 AND model = 'acme/one'"],
    "living_holds": ["UPDATE calls SET epoch = 2 WHERE state = 0", "INSERT INTO epochs (id, began_ms) VALUES (2, 0)"],
}


def test_every_invariant_is_broken_once_below():
    assert BREAKS.keys() == ALWAYS.keys()


@pytest.mark.parametrize("invariant", BREAKS)
def test_each_invariant_that_is_broken_is_named_and_explained(books, invariant):
    for statement in BREAKS[invariant]:
        assert books.run(statement, {"first": books.call[0]} if ":first" in statement else {}) >= 0
    found = {finding.invariant: finding for finding in verify(books, living=[1])}
    assert invariant in found
    finding = found[invariant]
    assert finding.always == ALWAYS[invariant]
    assert finding.rows >= 1
    assert finding.explained.endswith(".")
    assert "{" not in finding.explained


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE calls SET charge_nano_usd = charge_nano_usd - 1, overrun_nano_usd = 1 WHERE id = :first",
        "UPDATE calls SET overrun_nano_usd = 7 WHERE id = :estimated",
        "UPDATE calls SET overrun_nano_usd = 0 WHERE id = :late",
        "UPDATE calls SET output = output - 1 WHERE id = :late",
        "DELETE FROM prices",
        "UPDATE prices SET input = input + 1",
    ],
)
def test_a_charge_at_any_other_price_or_share_is_found(books, statement):
    calls = {"first": books.call[0], "estimated": books.call[3], "late": books.call[7]}
    books.run(statement, {name: number for name, number in calls.items() if f":{name}" in statement})
    assert "charges" in {finding.invariant for finding in verify(books)}


def test_an_explanation_names_the_row_and_says_what_should_be_there(books):
    books.run("UPDATE calls SET charge_nano_usd = charge_nano_usd - 1 WHERE id = :id", {"id": books.call[0]})
    entries, used, charges, sums = verify(books)
    posted = account_named(books, "user:1").posted
    assert entries.explained.startswith(
        f"Account user:1 has {posted} nano-USD, but its entries come to {posted + 1}: -1"
    )
    assert (used.invariant, sums.invariant) == ("month_used", "usage_sums")
    assert charges.explained == (
        f"Call {request_id(books.call[0])} was charged {COST - 1} nano-USD, and 0 are the operator's. Its tokens (input"
        f" 120, cached 30, output 200, reasoning 40) cost {COST} at price {PRICE.version}, and 1000000 were held: it"
        f" should be {COST}, and 0 the operator's."
    )


def test_months_whose_calls_were_deleted_are_not_held_against_anybody(books):
    desk = Desk(books, START_MS)
    row = "SELECT account, provider_account, sum(charge_nano_usd), sum(overrun_nano_usd) FROM calls WHERE state = 1"
    for account, provider, charge, overrun in books.rows(row + " GROUP BY account, provider_account"):
        names = dict(books.rows("SELECT id, name FROM accounts"))
        for debit, amount in ((names[account], charge), ("overrun", overrun)):
            if amount:
                post(desk, Wanted("carried", debit, names[provider], amount))
                books.run("UPDATE accounts SET posted = posted + :n WHERE name = :a", {"n": amount, "a": debit})
                books.run("UPDATE accounts SET posted = posted - :n WHERE id = :a", {"n": amount, "a": provider})
    books.run("UPDATE usage_state SET deleted_to = :id", {"id": books.call[7]})
    books.run("DELETE FROM calls WHERE coalesce(state, 1) > 0")
    assert list(verify(books)) == []
