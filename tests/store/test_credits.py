import pytest
from sample_bills import START_MS

from waypost.domain.ledger import Account, period_of, period_range
from waypost.domain.problems import Refusal
from waypost.store.accounts import (
    account_named,
    accounts,
    due_lots,
    open_lots,
    transfers,
)
from waypost.store.commands import run_command
from waypost.store.credits import Taking, takes
from waypost.store.desk import Desk

NOW = START_MS
USD = 1_000_000_000
MONTH = period_of(NOW)


class Counter:
    """Runs commands, and follows what they say was moved as the owner's counters do."""

    def __init__(self, sql):
        self.sql = sql
        self.now = NOW
        self.credits: dict[str, int] = {}
        self.floors: dict[str, int] = {}

    def __call__(self, command: str, /, **args):
        desk = Desk(self.sql, self.now)
        result = run_command(desk, command, args)
        for account, amount in desk.moves:
            self.credits[account] = self.credits.get(account, 0) + amount
        self.floors |= dict(desk.floors)
        return result


@pytest.fixture
def do(sql):
    do = Counter(sql)
    do("user.create", name="ada")
    do("user.create", name="ben")
    yield do
    assert sum(account.posted for account in accounts(sql)) == 0, "double entry"
    for name, amount in do.credits.items():
        assert account_named(sql, name).posted == amount, "counters follow"
    for account in accounts(sql):
        assert sum(lot.remaining for lot in open_lots(sql, account.id)) <= max(0, account.posted)


def call(sql, account, charge, number=1, state=1):
    """A settled call, its balances as the writer would leave them."""
    sql.run("INSERT INTO accounts (name) VALUES ('provider:alpha') ON CONFLICT (name) DO NOTHING")
    sql.run(
        "INSERT INTO calls (id, user_id, outcome, status, flags, hold_nano_usd, charge_nano_usd, gateway_us, total_us,"
        " trail, state, account, provider_account, period) VALUES (:id, 1, 1, 200, 16, :charge, :charge, 0, 0, :trail,"
        " :state, (SELECT id FROM accounts WHERE name = :account),"
        " (SELECT id FROM accounts WHERE name = 'provider:alpha'), :month)",
        {"id": number, "charge": charge, "account": account, "trail": b"", "state": state, "month": MONTH},
    )
    for name, amount in ((account, -charge), ("provider:alpha", charge)):
        sql.run(
            "UPDATE accounts SET posted = posted + :amount WHERE name = :name",
            {"name": name, "amount": amount if state == 1 else 0},
        )


def refused(do, command, **args) -> Refusal:
    with pytest.raises(Refusal) as caught:
        do(command, **args)
    assert caught.value.code == "invalid_request"
    return caught.value


def test_a_grant_makes_the_account_and_both_sides_of_the_entry(do, sql):
    done = do("credits.grant", account="user:1", amount=5 * USD, note="welcome")
    assert (done.account, done.balance, done.moved, done.again) == ("user:1", 5 * USD, (("user:1", 5 * USD),), False)
    assert done.transfer[1:6] == (NOW, "grant", "granted", "user:1", 5 * USD)
    assert done.transfer.note == "welcome"
    assert {account.name: account.posted for account in accounts(sql)} == {
        "granted": -5 * USD,
        "overrun": 0,
        "loss": 0,
        "user:1": 5 * USD,
    }
    assert transfers(sql, "user:1") == [done.transfer] == transfers(sql)


@pytest.mark.parametrize("account", ["user:9", "org:1", "user:0", "user:01", "granted", "provider:alpha", "", "user:x"])
def test_nobodys_account_gets_nothing(do, sql, account):
    refusal = refused(do, "credits.grant", account=account, amount=1)
    assert refusal.param == "account"
    assert len(accounts(sql)) == 3


@pytest.mark.parametrize("amount", [0, -1, 10**18, 2**63, 1.0, 1.5, True, "5", None])
def test_amounts_are_whole_positive_and_bounded(do, sql, amount):
    refused(do, "credits.grant", account="user:1", amount=amount)
    assert not transfers(sql)
    assert "a refund" in refused(do, "credits.grant", account="user:1", amount=-1).fix


def test_no_balance_grows_beyond_what_can_be_counted(do, sql):
    for _ in range(90):
        do("credits.grant", account="user:1", amount=100_000_000 * USD)
    assert "No account holds more" in refused(do, "credits.grant", account="user:2", amount=1).message


def test_an_outside_id_moves_credits_once(do):
    first = do("credits.topup", account="user:1", amount=USD, outside_id="pay-1", note="card")
    second = do("credits.topup", account="user:1", amount=USD, outside_id="pay-1", note="the webhook came twice")
    assert (second.transfer, second.balance) == (first.transfer, USD)
    assert (second.again, second.moved) == (True, ())


@pytest.mark.parametrize(
    "other",
    [{"account": "user:2"}, {"amount": USD + 1}],
    ids=["another account", "another amount"],
)
def test_the_same_outside_id_with_other_content_is_refused_and_says_so(do, sql, other):
    do("credits.topup", account="user:1", amount=USD, outside_id="pay-1")
    args = {"account": "user:1", "amount": USD, "outside_id": "pay-1"} | other
    refusal = refused(do, "credits.topup", **args)
    assert "something else was done already" in refusal.message
    assert "transfer 1:" in refusal.why
    assert len(transfers(sql)) == 1


def test_a_repeated_grant_may_say_its_end_anew_and_the_first_one_stands(do, sql):
    first = do("credits.grant", account="user:1", amount=USD, outside_id="gift-1", expires_at=NOW + 1_000)
    second = do("credits.grant", account="user:1", amount=USD, outside_id="gift-1", expires_at=NOW + 9_000)
    assert second.again
    assert (second.transfer, second.balance) == (first.transfer, USD)
    assert [lot.expires_at for lot in open_lots(sql, account_named(sql, "user:1").id)] == [NOW + 1_000]


def test_an_outside_id_of_one_command_is_not_free_for_another(do):
    do("credits.topup", account="user:1", amount=USD, outside_id="pay-1")
    assert "kind was topup" in refused(do, "credits.grant", account="user:1", amount=USD, outside_id="pay-1").why


@pytest.mark.parametrize("outside_id", ["", "x" * 256])
def test_an_outside_id_has_a_length(do, outside_id):
    assert refused(do, "credits.topup", account="user:1", amount=1, outside_id=outside_id).param == "outside_id"
    assert refused(do, "credits.topup", account="user:1", amount=1).param == "args"


def test_notes_have_an_end_and_say_who_ordered(do, sql):
    assert refused(do, "credits.grant", account="user:1", amount=1, note="x" * 501).param == "note"
    assert do("credits.grant", account="user:1", amount=1, note="x" * 500, by=2).transfer.by_user == 2
    assert "cannot be stored" in refused(do, "credits.grant", account="user:1", amount=1, by=77).message


def test_included_credits_come_once_a_month_and_end_with_it(do, sql):
    done = do("credits.included", account="user:1", period=MONTH, amount=5 * USD)
    assert done.transfer.outside_id == f"included:{MONTH}:user:1"
    assert done.transfer.expires_at == period_range(MONTH)[1]
    again = do("credits.included", account="user:1", period=MONTH, amount=7 * USD)
    assert (again.again, again.moved, again.balance, again.transfer) == (True, (), 5 * USD, done.transfer)
    assert do("credits.included", account="user:2", period=MONTH, amount=0).transfer is None
    assert refused(do, "credits.included", account="user:1", period=202613, amount=1).param == "period"


def test_a_lot_is_taken_back_at_its_end_and_not_before(do, sql):
    lot = do("credits.grant", account="user:1", amount=5 * USD, expires_at=NOW + 10).transfer.id
    do("credits.grant", account="user:1", amount=USD)
    assert due_lots(sql, NOW) == []
    assert "not ended yet" in refused(do, "credits.expire", lot=lot).message
    do.now = NOW + 10
    assert due_lots(sql, do.now) == [(lot, "user:1", 5 * USD)]
    done = do("credits.expire", lot=lot)
    assert (done.balance, done.moved, done.transfer.about) == (USD, (("user:1", -5 * USD),), lot)
    assert due_lots(sql, do.now) == []
    assert do("credits.expire", lot=lot).transfer is None
    assert "no lot" in refused(do, "credits.expire", lot=99).message


def test_what_calls_hold_of_a_lot_stays_until_they_have_ended(do, sql):
    lot = do("credits.grant", account="user:1", amount=5 * USD, expires_at=NOW).transfer.id
    done = do("credits.expire", lot=lot, taken=3 * USD)
    assert (done.balance, done.moved) == (2 * USD, (("user:1", -3 * USD),))
    assert due_lots(sql, NOW) == [(lot, "user:1", 2 * USD)]
    assert do("credits.expire", lot=lot, taken=0).moved == ()
    assert do("credits.expire", lot=lot, taken=9 * USD).balance == 0


def test_without_a_server_the_open_holds_on_the_disk_are_left_alone(do, sql):
    do("credits.grant", account="user:1", amount=5 * USD)
    call(sql, "user:1", 2 * USD, state=0)
    assert account_named(sql, "user:1") == Account(4, "user:1", 5 * USD, 0, 0, 0, 2 * USD)
    assert account_named(sql, "user:1").free == 3 * USD
    done = do("credits.adjust", account="user:1", amount=-4 * USD, note="granted by mistake")
    assert (done.balance, done.moved) == (2 * USD, (("user:1", -3 * USD),))


def test_a_mistake_is_mended_either_way(do):
    assert do("credits.adjust", account="user:1", amount=3 * USD).moved == (("user:1", 3 * USD),)
    done = do("credits.adjust", account="user:1", amount=-USD, outside_id="mend-1", taken=USD)
    assert (done.balance, done.transfer.debit, done.transfer.credit) == (2 * USD, "user:1", "granted")
    again = do("credits.adjust", account="user:1", amount=-USD, outside_id="mend-1", taken=USD)
    assert (again.again, again.moved) == (True, ())
    assert refused(do, "credits.adjust", account="user:1", amount=0).param == "amount"


def test_what_cannot_be_taken_back_is_the_operators_overrun(do, sql):
    do("credits.topup", account="user:1", amount=10 * USD, outside_id="pay-1")
    done = do("credits.refund", account="user:1", amount=10 * USD, outside_id="chargeback-1", taken=4 * USD)
    assert (done.balance, done.moved) == (6 * USD, (("user:1", -4 * USD),))
    rest, whole = transfers(sql, "user:1")[:2]
    assert (whole.kind, whole.amount, whole.debit) == ("refund", 10 * USD, "user:1")
    assert (rest.kind, rest.amount, rest.debit, rest.credit, rest.about) == (
        "overrun",
        6 * USD,
        "overrun",
        "user:1",
        whole.id,
    )
    again = do("credits.refund", account="user:1", amount=10 * USD, outside_id="chargeback-1", taken=2 * USD)
    assert (again.again, again.transfer, again.moved) == (True, whole, ())


def test_a_call_is_given_back_at_most_once(do, sql):
    do("credits.grant", account="user:1", amount=5 * USD)
    call(sql, "user:1", 100)
    do.credits["user:1"] -= 100
    first = do("credits.refund", call=1, amount=30, outside_id="sorry-1")
    assert (first.transfer.debit, first.transfer.credit, first.transfer.call) == ("loss", "user:1", 1)
    assert do("credits.refund", call=1, amount=30, outside_id="sorry-1").again
    refusal = refused(do, "credits.refund", call=1, amount=71)
    assert "70 nano-USD can be given back" in refusal.message
    rest = do("credits.refund", call=1, outside_id="sorry-2")
    assert (rest.transfer.amount, rest.balance) == (70, 5 * USD)
    assert do("credits.refund", call=1, outside_id="sorry-2").again
    assert refused(do, "credits.refund", call=1).param == "amount"


@pytest.mark.parametrize("state", [0, 2, 3, None])
def test_a_call_that_cost_nothing_is_not_given_back(do, sql, state):
    do("credits.grant", account="user:1", amount=5 * USD)
    call(sql, "user:1", 100, state=state)
    assert refused(do, "credits.refund", call=1).param == "call"
    refusal = refused(do, "credits.refund", call=2)
    assert "no record" in refusal.why
    assert "`waypost credits grant`" in refusal.fix


@pytest.mark.parametrize(
    "args",
    [{}, {"call": 1, "account": "user:1", "amount": 1}, {"account": "user:1"}, {"account": "user:1", "amount": 0}],
)
def test_a_refund_says_of_what_and_how_much(do, args):
    refused(do, "credits.refund", **args)


def test_an_account_may_be_allowed_to_owe(do, sql):
    done = do("credits.allow", account="user:1", floor=-5 * USD)
    assert (done.floor, done.moved, do.floors) == (-5 * USD, (), {"user:1": -5 * USD})
    assert account_named(sql, "user:1").free == 5 * USD
    assert refused(do, "credits.allow", account="user:1", floor=1).param == "floor"


def test_a_floor_is_never_put_above_where_the_account_stands(do, sql):
    do("credits.allow", account="user:1", floor=-5 * USD)
    do("credits.adjust", account="user:1", amount=-3 * USD)
    assert "Choose -3000000000 or less" in refused(do, "credits.allow", account="user:1", floor=0).fix
    assert do("credits.allow", account="user:1", floor=-3 * USD, taken=2 * USD).floor == -3 * USD


def test_a_debt_is_paid_from_credits_that_end(do, sql):
    do("credits.allow", account="user:1", floor=-5 * USD)
    do("credits.adjust", account="user:1", amount=-3 * USD)
    lot = do("credits.included", account="user:1", period=MONTH, amount=5 * USD).transfer.id
    (left,) = open_lots(sql, account_named(sql, "user:1").id)
    assert (left.id, left.remaining) == (lot, 2 * USD)


def test_corrections_leave_credits_that_end_for_last(do, sql):
    do("credits.grant", account="user:1", amount=5 * USD, expires_at=NOW + 1)
    do("credits.grant", account="user:1", amount=5 * USD)
    number = account_named(sql, "user:1").id
    do("credits.adjust", account="user:1", amount=-4 * USD)
    assert [lot.remaining for lot in open_lots(sql, number)] == [5 * USD]
    do("credits.adjust", account="user:1", amount=-4 * USD)
    assert [lot.remaining for lot in open_lots(sql, number)] == [2 * USD]


def test_the_owner_is_told_what_to_take_before_a_command(do):
    assert takes("credits.adjust", {"account": "user:1", "amount": -5}) == Taking("user:1", 5)
    assert takes("credits.adjust", {"account": "user:1", "amount": 5}) is None
    assert takes("credits.refund", {"account": "user:1", "amount": 5}) == Taking("user:1", 5)
    assert takes("credits.refund", {"call": 1, "amount": 5}) is None
    assert takes("credits.allow", {"account": "user:1", "floor": -2}, -5) == Taking("user:1", 3)
    assert takes("credits.allow", {"account": "user:1", "floor": -9}, -5) is None
    assert takes("credits.grant", {"account": "user:1", "amount": 5}) is None
