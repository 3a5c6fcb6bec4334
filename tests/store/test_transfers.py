import pytest
from sample_bills import START_MS

from waypost.domain.problems import Refusal
from waypost.store.accounts import account_named, accounts, open_lots, transfers
from waypost.store.desk import Desk
from waypost.store.sql import Unstorable
from waypost.store.transfers import AMOUNT_NANO_USD_MAX, Wanted, checked, done_before, move, post


@pytest.fixture
def desk(sql):
    sql.insert("users", ["name", "created_at"], [["ada", 0]])
    desk = Desk(sql, START_MS)
    yield desk
    assert sum(account.posted for account in accounts(sql)) == 0


GRANT = Wanted("grant", "granted", "user:1", 100)


def test_both_balances_move_and_the_row_says_everything(sql, desk):
    made = post(desk, GRANT._replace(outside_id="x", note="because", by=1, expires_at=START_MS + 1))
    assert made == (1, START_MS, "grant", "granted", "user:1", 100, "x", None, None, "because", 1, START_MS + 1)
    assert [account_named(sql, name).posted for name in ("granted", "user:1")] == [-100, 100]


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_NANO_USD_MAX + 1])
def test_what_no_transfer_can_be_is_refused(amount):
    with pytest.raises(Refusal, match="An amount is"):
        checked(GRANT._replace(amount=amount))


def test_transfers_are_only_ever_added(sql, desk):
    post(desk, GRANT)
    for statement in ("UPDATE transfers SET amount = 1", "DELETE FROM transfers"):
        with pytest.raises(Unstorable), sql.savepoint():
            sql.run(statement)
    assert transfers(sql)[0].amount == 100


def test_an_outside_id_is_known_again(desk):
    wanted = GRANT._replace(outside_id="x")
    assert done_before(desk, wanted) is None
    first = move(desk, wanted)
    again = done_before(desk, wanted._replace(note="other words"))
    assert (again.transfer, again.moved, again.again) == (first.transfer, (), True)
    with pytest.raises(Refusal, match="something else") as refused:
        done_before(desk, wanted._replace(amount=7, kind="topup"))
    assert refused.value.why == "transfer 1: kind was grant, now topup; amount was 100, now 7"


@pytest.mark.parametrize(("free", "taken"), [(None, 60), (100, 60), (60, 60), (20, 20), (0, 0), (-5, 0)])
def test_a_payer_gives_what_is_free_and_the_operator_the_rest(sql, desk, free, taken):
    move(desk, GRANT)
    done = move(desk, Wanted("adjustment", "user:1", "granted", 60), free)
    assert (done.balance, dict(done.moved).get("user:1", 0)) == (100 - taken, -taken)
    assert account_named(sql, "overrun").posted == taken - 60


def test_a_lot_is_cut_to_the_balance_and_a_failed_transfer_leaves_nothing(sql, desk):
    move(desk, GRANT._replace(expires_at=START_MS + 1))
    move(desk, Wanted("adjustment", "user:1", "granted", 60))
    assert [lot.remaining for lot in open_lots(sql, account_named(sql, "user:1").id)] == [40]
    with pytest.raises(Unstorable), sql.savepoint():
        move(desk, GRANT._replace(by=99))
    assert account_named(sql, "user:1").posted == 40
