"""Who is in an organisation, by name."""

from sample_bills import START_MS

from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.rosters import Place, roster


def test_a_roster_names_who_is_in_an_organisation_and_nobody_who_left(sql) -> None:
    def run(command: str, **args):
        return run_command(Desk(sql, START_MS), command, args)

    for name in ("bob", "ann", "eve"):
        run("user.create", name=name)
    number = run("org.create", name="acme", admin="bob").id
    run("member.set", organisation="acme", user="ann", spending_limit=7)
    run("member.set", organisation="acme", user="eve")
    run("member.remove", organisation="acme", user="eve")
    assert roster(sql, number) == [Place("ann", "read", 7, START_MS), Place("bob", "admin", None, START_MS)]
