from waypost.store.moving import move
from waypost.store.netting import Move, Net

LOT = "INSERT INTO lots (id, account, remaining, expires_at) VALUES (:id, :account, :remaining, :at)"
TRANSFER = "INSERT INTO transfers (at_ms, kind, debit, credit, amount) VALUES (1, 'grant', 1, 2, 5)"


def account(sql, name):
    return sql.row("SELECT posted, period, period_used FROM accounts WHERE name = :name", {"name": name})


def test_balances_months_and_spending_follow(sql):
    move(sql, Net({"user:1": Move(-5, 202611, 5), "loss": Move(5)}, {("token:9", 202611): 5}))
    move(sql, Net({"user:1": Move(-2, 202611, 2)}, {("token:9", 202611): 2}))
    assert account(sql, "user:1") == (-7, 202611, 7)
    move(sql, Net({"user:1": Move(-1, 202612, 1)}, {}))
    move(sql, Net({"user:1": Move(-4, 202611, 4)}, {}))
    assert account(sql, "user:1") == (-12, 202612, 1), "a late call of the month before is not this month's"
    assert account(sql, "loss") == (5, 0, 0)
    assert sql.rows("SELECT * FROM spending") == [("token:9", 202611, 7)]


def test_charges_use_what_ends_first(sql):
    move(sql, Net({"user:1": Move(100)}, {}))
    number = sql.value("SELECT id FROM accounts WHERE name = 'user:1'")
    for place, (remaining, at) in enumerate([(10, 300), (10, 100), (10, 200)], 1):
        sql.run(TRANSFER)
        sql.run(LOT, {"id": place, "account": number, "remaining": remaining, "at": at})
    for charge in (4, 9, 90):
        move(sql, Net({"user:1": Move(-charge, 202611, charge, charge)}, {}))
        left = [remaining for (remaining,) in sql.rows("SELECT remaining FROM lots ORDER BY expires_at")]
        assert left == {4: [6, 10, 10], 9: [0, 7, 10], 90: [0, 0, 0]}[charge]
