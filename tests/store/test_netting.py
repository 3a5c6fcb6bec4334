from waypost.store.netting import Move, add, netted
from waypost.store.rows import ACCOUNT, CHARGE, OVERRUN, PERIOD, PROVIDER_ACCOUNT, SETTLED, STATE, VOIDED, WIDTH


def row(charge, payer="user:1", provider="provider:alpha", *, overrun=0, period=202611, state=SETTLED, subjects=()):
    made = [None] * WIDTH
    made[ACCOUNT], made[PROVIDER_ACCOUNT], made[STATE], made[PERIOD] = payer, provider, state, period
    made[CHARGE], made[OVERRUN] = charge, overrun
    return (*made, subjects)


def test_what_is_not_settled_moves_nothing():
    assert netted([row(5, state=None), row(5, state=VOIDED), row(0)]) is None


def test_many_calls_become_one_movement_for_each_account():
    rows = [row(10), row(20), row(5, "org:3", "provider:beta", overrun=2, subjects=("org:3",)), row(1), row(2, "org:3")]
    moves, spent = netted(rows)
    assert moves == {
        "user:1": Move(-31, 202611, 31, 31),
        "provider:alpha": Move(33),
        "org:3": Move(-7, 202611, 7, 7),
        "provider:beta": Move(7),
        "overrun": Move(-2),
    }
    assert sum(move.delta for move in moves.values()) == 0
    assert spent == {("org:3", 202611): 5}


def test_of_two_months_the_newer_ones_use_is_kept_and_both_are_paid():
    moves, spent = netted([row(3, period=202612, subjects=["token:9"]), row(10, subjects=["token:9"])])
    assert moves["user:1"] == Move(-13, 202612, 3, 13)
    assert spent == {("token:9", 202612): 3, ("token:9", 202611): 10}


def test_movements_of_one_account_add_up():
    moves = {}
    add(moves, "loss", Move(-3))
    add(moves, "loss", Move(-4))
    assert moves == {"loss": Move(-7)}
