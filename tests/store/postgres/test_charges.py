import pytest

from waypost.domain.money import Price
from waypost.store.books import Mark
from waypost.store.moving import move
from waypost.store.netting import Move, Net
from waypost.store.postgres.charges import Money
from waypost.store.rows import NAMED

NOVEMBER, DECEMBER = 202611, 202612


@pytest.fixture
def money(scribe):
    return Money(scribe.session, scribe.names)


def account(scribe, name):
    return scribe.sql.row("SELECT posted, period, period_used FROM accounts WHERE name = :name", {"name": name})


def lots(scribe, *remaining):
    """Lots of user 1, in another order than that in which they end."""
    move(scribe.sql, Net({"user:1": Move(sum(amount for _, amount in remaining))}, {}))
    for ends, amount in remaining:
        scribe.sql.run(
            "INSERT INTO transfers (at_ms, kind, debit, credit, amount) SELECT 1, 'grant', g.id, u.id, :amount"
            " FROM accounts g, accounts u WHERE g.name = 'granted' AND u.name = 'user:1'",
            {"amount": amount},
        )
        scribe.sql.run(
            "INSERT INTO lots SELECT t.id, t.credit, t.amount, :ends FROM transfers t ORDER BY t.id DESC LIMIT 1",
            {"ends": ends},
        )


def left(scribe):
    return [amount for (amount,) in scribe.sql.rows("SELECT remaining FROM lots ORDER BY expires_at")]


def test_many_accounts_move_at_once_and_new_ones_are_opened(money, scribe):
    net = Net({"user:1": Move(-30, NOVEMBER, 30, 30), "provider:a": Move(33), "overrun": Move(-3)}, {})
    money.write(net)
    money.write(net)
    assert account(scribe, "user:1") == (-60, NOVEMBER, 60)
    assert (account(scribe, "provider:a")[0], account(scribe, "overrun")[0]) == (66, -6)
    assert scribe.sql.value("SELECT sum(posted) FROM accounts") == 0


def test_a_new_month_counts_anew_and_an_old_one_does_not_come_back(money, scribe):
    for period, used in ((NOVEMBER, 5), (DECEMBER, 7), (NOVEMBER, 100)):
        money.write(Net({"user:1": Move(-used, period, used, used)}, {}))
    assert account(scribe, "user:1") == (-112, DECEMBER, 7)


def test_credits_that_end_first_are_used_first(money, scribe):
    lots(scribe, (300, 10), (100, 10), (200, 10))
    money.write(Net({"user:1": Move(-15, NOVEMBER, 15, 15), "provider:a": Move(15)}, {}))
    assert left(scribe) == [0, 5, 10]
    money.write(Net({"user:1": Move(-99, NOVEMBER, 99, 99), "provider:a": Move(99)}, {}))
    assert left(scribe) == [0, 0, 0]


def test_one_statement_says_what_the_seldom_one_says(money, scribe):
    net = Net({"user:1": Move(-8, NOVEMBER, 8, 8), "provider:a": Move(8)}, {("user:1", NOVEMBER): 8})
    lots(scribe, (200, 10), (100, 10))
    money.write(net)
    move(scribe.sql, net)
    assert left(scribe) == [0, 4]
    assert account(scribe, "user:1") == (4, NOVEMBER, 16)
    assert scribe.sql.rows("SELECT subject, period, used FROM spending") == [("user:1", NOVEMBER, 16)]


def test_a_price_is_written_once_and_kept_until_its_transaction_succeeds(money, scribe):
    price = Price(1, 2, None, None, 0, "v1")
    money.note_prices([price])
    scribe.begin()
    money.write_prices()
    scribe.roll_back()
    for _ in range(2):
        money.write_prices()
    money.keep_prices()
    money.write_prices()
    assert scribe.sql.rows("SELECT version, input, output, cached_input, reasoning, request FROM prices") == [
        ("v1", 1, 2, None, None, 0)
    ]


def test_the_last_mark_of_an_open_call_counts_and_one_that_has_ended_takes_none(money, scribe):
    for number, state in ((1, 0), (2, None)):
        scribe.sql.run(
            "INSERT INTO calls (id, outcome, status, flags, hold_nano_usd, charge_nano_usd, gateway_us, total_us,"
            " trail, state) VALUES (:id, 1, 200, 0, 0, 0, 0, 0, :trail, :state)",
            {"id": number, "trail": b"", "state": state},
        )
    money.mark([Mark(1, "alpha", "v1", 10), Mark(2, "alpha", "v1", 10), Mark(1, "beta", "v1", 20)])
    found = scribe.sql.rows("SELECT c.output, n.text FROM calls c LEFT JOIN names n ON n.id = c.provider ORDER BY c.id")
    assert found == [(20, "beta"), (None, None)]
    assert scribe.sql.value("SELECT kind FROM names WHERE text = 'v1'") == NAMED.index("price_version")
