import pytest
from money_rows import write_call
from sample_bills import START_MS

from waypost.domain.ledger import Account
from waypost.domain.lots import Lot
from waypost.domain.problems import Refusal
from waypost.store.accounts import (
    Due,
    account_for,
    account_named,
    account_number,
    accounts,
    due_lots,
    keep_lots,
    open_lots,
    owner_name,
    payer_account,
    transfers,
)
from waypost.store.desk import Desk
from waypost.store.transfers import Wanted, post


@pytest.fixture
def desk(sql):
    for name in ("ada", "ben"):
        sql.insert("users", ["name", "created_at"], [[name, 0]])
    sql.insert("organisations", ["name", "created_at"], [["acme", 0]])
    return Desk(sql, START_MS)


def grant(desk, account, amount, **more):
    return post(desk, Wanted("grant", "granted", account, amount, **more))


def test_a_fresh_ledger_has_the_operators_accounts(sql):
    assert [account.name for account in accounts(sql)] == ["granted", "overrun", "loss"]
    assert account_named(sql, "user:1") is None


def test_an_account_is_made_at_first_use_and_once(sql, desk):
    number = account_number(sql, "provider:alpha")
    assert account_number(sql, "provider:alpha") == number
    assert payer_account(sql, "user:2") == Account(number + 1, "user:2", 0, 0, 0, 0, 0) == payer_account(sql, "user:2")


@pytest.mark.parametrize("name", ["user:3", "org:2", "loss", "provider:alpha", "user:1 ", "User:1"])
def test_only_users_and_organisations_that_there_are_pay(sql, desk, name):
    with pytest.raises(Refusal, match="nobody's account"):
        payer_account(sql, name)


def test_what_running_calls_hold_is_not_free(sql, desk):
    grant(desk, "user:1", 100)
    sql.run("UPDATE accounts SET floor = -30 WHERE name = 'user:1'")
    write_call(sql, START_MS, state=0, hold_nano_usd=20, charge_nano_usd=0)
    write_call(sql, START_MS + 1, state=0, hold_nano_usd=5, charge_nano_usd=0)
    write_call(sql, START_MS + 2, hold_nano_usd=50)
    account = account_named(sql, "user:1")
    assert (account.held, account.free) == (25, 105)
    assert accounts(sql)[-1].name == "provider:alpha"


def test_accounts_are_found_by_the_names_people_use(sql, desk):
    assert (account_for(sql, "ben"), account_for(sql, "acme"), account_for(sql, "nobody")) == ("user:2", "org:1", None)
    assert (owner_name(sql, "user:2"), owner_name(sql, "org:1"), owner_name(sql, "granted")) == ("ben", "acme", None)


def test_transfers_are_listed_in_pages_newest_first(sql, desk):
    made = [grant(desk, f"user:{1 + n % 2}", n + 1) for n in range(10)]
    mine = [transfer for transfer in reversed(made) if transfer.credit == "user:2"]
    first = transfers(sql, "user:2", limit=2)
    assert first + transfers(sql, "user:2", before=first[-1].id, limit=9) == mine
    assert transfers(sql, "granted", limit=3) == made[:-4:-1]
    assert transfers(sql, "nobody:1") == []


def test_lots_are_listed_as_they_are_used_and_are_due_when_they_end(sql, desk):
    later = grant(desk, "user:1", 10, expires_at=START_MS + 9).id
    sooner = grant(desk, "user:1", 20, expires_at=START_MS + 5).id
    number = account_number(sql, "user:1")
    assert open_lots(sql, number) == [Lot(sooner, 20, START_MS + 5), Lot(later, 10, START_MS + 9)]
    assert due_lots(sql, START_MS + 4) == []
    assert due_lots(sql, START_MS + 9) == [Due(sooner, "user:1", 20), Due(later, "user:1", 10)]
    keep_lots(sql, {sooner: 0, later: 3})
    assert due_lots(sql, START_MS + 9, limit=1) == [Due(later, "user:1", 3)]
