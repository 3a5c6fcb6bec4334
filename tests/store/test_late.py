import pytest
from money_rows import COST, PRICE, USAGE, write_call, write_price
from sample_bills import START_MS

from waypost.domain.ledger import HoldState, period_of
from waypost.domain.problems import Refusal
from waypost.store.accounts import account_named, account_number, accounts, transfers
from waypost.store.desk import Desk
from waypost.store.late import COMMANDS, LateArgs
from waypost.store.rollup import roll_through
from waypost.store.transfers import Wanted, move, post
from waypost.store.usage import Wanted as Usages
from waypost.store.usage import usage

MONTH = period_of(START_MS)
TOKENS = dict(zip(USAGE._fields, USAGE[:4], strict=False))
USD = 1_000_000_000


@pytest.fixture
def desk(sql):
    desk = Desk(sql, START_MS)
    sql.run("INSERT INTO users (name, created_at) VALUES ('ada', 0)")
    write_price(sql)
    move(desk, Wanted("grant", "granted", "user:1", USD))
    yield desk
    assert sum(account.posted for account in accounts(sql)) == 0


@pytest.fixture
def call(sql, desk):
    """One that was swept: nobody knew what was delivered, and the operator bore the prompt."""
    tokens = dict.fromkeys(TOKENS)
    number = write_call(sql, START_MS, state=3, charge_nano_usd=0, flags=2, outcome=3, provider_account=None, **tokens)
    post(desk, Wanted("loss", "loss", "provider:alpha", 5_000, call=number))
    return number


def settle(desk, call, **args):
    return COMMANDS["ledger.settle_late"].run(desk, LateArgs(call, **(TOKENS | args)))


def row(sql, call):
    return sql.row(
        "SELECT state, charge_nano_usd, overrun_nano_usd, input, output, flags & 2 FROM calls WHERE id = :id",
        {"id": call},
    )


def posted(sql, name):
    return account_named(sql, name).posted


def test_late_usage_is_charged_at_the_price_of_the_hold(sql, desk, call):
    done = settle(desk, call)
    assert (done.balance, done.moved, desk.moves) == (USD - COST, (("user:1", -COST),), [("user:1", -COST)])
    assert row(sql, call) == (HoldState.SETTLED, COST, 0, 120, 200, 0)
    assert [posted(sql, name) for name in ("user:1", "provider:alpha", "loss", "overrun")] == [USD - COST, COST, 0, 0]
    assert account_named(sql, "user:1")[4:6] == (MONTH, COST)
    assert [transfer.debit for transfer in transfers(sql) if transfer.call == call] == ["provider:alpha", "loss"]


def test_it_takes_at_most_what_is_free(sql, desk, call):
    done = settle(desk, call, taken=1_000)
    assert done.moved == (("user:1", -1_000),)
    assert row(sql, call)[1:3] == (1_000, COST - 1_000)
    assert [posted(sql, name) for name in ("user:1", "provider:alpha", "overrun")] == [USD - 1_000, COST, 1_000 - COST]


def test_it_charges_at_most_the_hold(sql, desk, call):
    sql.run("UPDATE calls SET hold_nano_usd = 2000")
    settle(desk, call)
    assert row(sql, call)[1:3] == (2_000, COST - 2_000)


def test_twice_is_once(sql, desk, call):
    first = settle(desk, call)
    second = settle(desk, call)
    assert (second.again, second.moved, second.balance) == (True, (), first.balance)
    with pytest.raises(Refusal, match="did not expire"):
        settle(desk, call, output=9)


@pytest.mark.parametrize("state", [0, 1, 2, None])
def test_only_calls_that_expired_are_settled_late(sql, desk, state):
    call = write_call(sql, START_MS, state=state)
    with pytest.raises(Refusal, match="did not expire"):
        settle(desk, call)


def test_what_nobody_knows_is_refused(sql, desk, call):
    for facts in ({"output": -1}, {"input": 1 << 41}):
        with pytest.raises(Refusal, match="no usage"):
            settle(desk, call, **facts)
    with pytest.raises(Refusal, match="no call under a hold"):
        settle(desk, call + 1)
    with pytest.raises(Refusal, match="no call under a hold"):
        settle(desk, write_call(sql, START_MS + 5, state=3, price_version=None))


def test_monthly_limits_and_lots_follow(sql, desk, call):
    move(desk, Wanted("grant", "granted", "user:1", USD, expires_at=START_MS + 1))
    for subject in ("user:1", "token:1", "token:2", "org:1"):
        sql.insert("spending", ["subject", "period", "used"], [[subject, MONTH, 7]])
    done = settle(desk, call)
    assert set(done.spent) == {(f"user:1:{MONTH}", COST), (f"token:1:{MONTH}", COST)}
    assert dict(sql.rows("SELECT subject, used - 7 FROM spending")) == {
        "user:1": COST,
        "token:1": COST,
        "token:2": 0,
        "org:1": 0,
    }
    assert sql.value("SELECT remaining FROM lots") == USD - COST


def test_usage_that_was_summed_already_follows(sql, desk, call):
    with sql.savepoint():
        roll_through(sql, 0, call)
    before = usage(sql, Usages()).total
    settle(desk, call)
    after = usage(sql, Usages()).total
    assert (before.requests, before.failed, before.charge) == (0, 1, 0)
    assert (after.requests, after.failed, after.charge, after.output) == (1, 0, COST, USAGE.output)


def test_the_price_is_that_of_the_hold(sql, desk, call):
    write_price(sql, PRICE._replace(input=1, version="2027-01-01-new"))
    settle(desk, call)
    assert row(sql, call)[1] == COST
    assert account_number(sql, "user:1") == account_named(sql, "user:1").id
