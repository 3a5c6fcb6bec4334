"""What an account has at one moment, with the credits that a month will bring."""

from sample_bills import START_MS

from waypost.domain.ledger import period_of
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.statements import statement

MONTH = period_of(START_MS)


def test_included_credits_are_there_before_they_are_given_and_once(sql) -> None:
    def run(command: str, **args):
        return run_command(Desk(sql, START_MS), command, args)

    run("user.create", name="ann")
    told = statement(sql, "user:1", MONTH, 500)
    assert (told.balance, told.free, told.included_left, told.lots) == (500, 500, 500, ())
    run("credits.grant", account="user:1", amount=70)
    run("credits.included", account="user:1", period=MONTH, amount=500)
    told = statement(sql, "user:1", MONTH, 500)
    assert (told.balance, told.free, told.included_left, told.to_come) == (570, 570, 500, 0)
    [lot] = told.lots
    assert (lot.kind, lot.remaining) == ("included", 500)
    run("credits.allow", account="user:1", floor=-30)
    assert statement(sql, "user:1", MONTH, 500).free == 600
