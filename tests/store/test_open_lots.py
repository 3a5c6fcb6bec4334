from waypost.store.accounts import account_number
from waypost.store.open_lots import OpenLots

TRANSFER = "INSERT INTO transfers (id, at_ms, kind, debit, credit, amount) VALUES (:id, 1, 'grant', 1, 2, 5)"
LOT = "INSERT INTO lots (id, account, remaining, expires_at) VALUES (:id, :account, 10, :id)"


def two_lots(sql):
    number = account_number(sql, "user:1")
    for place in (1, 2):
        sql.run(TRANSFER, {"id": place})
        sql.run(LOT, {"id": place, "account": number})
    return number


def test_what_remains_is_known_from_commit_to_commit_without_asking_again(sql):
    number, lots = two_lots(sql), OpenLots(sql)
    assert lots.charge([(number, 4)]) == {1: 6}
    lots.keep()
    assert lots.charge([(number, 9)]) == {1: 0, 2: 7}
    lots.keep()
    assert lots.charge([(number, 90)]) == {2: 0}
    lots.keep()
    assert lots.charge([(number, 1)]) == {}


def test_a_charge_that_was_undone_did_not_use_anything(sql):
    number, lots = two_lots(sql), OpenLots(sql)
    lots.charge([(number, 4)])
    lots.forget()
    assert lots.charge([(number, 4)]) == {1: 6}


def test_an_account_without_lots_is_asked_about_once(sql):
    lots = OpenLots(sql)
    assert lots.charge([(7, 4)]) == {}
    two_lots(sql)
    assert lots.charge([(7, 4)]) == {}
