import pytest

from waypost.domain.problems import Failed, Refusal
from waypost.store.commands import COMMANDS, outcome_of, run_command
from waypost.store.desk import Desk
from waypost.store.identities import last_seq, tokens, users
from waypost.store.sql import TryAgain

NOW = 1_790_000_000_000
TOKEN = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": "wxyz"}


@pytest.fixture
def do(sql):
    def run(command: str, /, **args):
        return run_command(Desk(sql, NOW), command, args)

    return run


def test_a_command_that_fails_leaves_nothing_behind(do, sql):
    do("user.create", name="ada")
    do("token.create", **TOKEN)
    before = (users(sql), tokens(sql), last_seq(sql))
    with pytest.raises(Refusal, match="cannot be stored"):
        do("token.create", **TOKEN | {"name": "other"})  # the same digest
    assert (users(sql), tokens(sql), last_seq(sql)) == before


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("user.delete", {}),
        ("user.create", {}),
        ("user.create", {"name": 7}),
        ("user.create", {"name": "ada", "colour": "red"}),
        ("token.revoke", {"id": "one"}),
        ("token.revoke", {"id": 99}),
        ("user.update", {"name": "nobody"}),
    ],
)
def test_commands_that_cannot_be_are_refused_by_name_and_argument(do, name, args):
    with pytest.raises(Refusal) as caught:
        do(name, **args)
    assert caught.value.code == "invalid_request"


def test_every_command_is_named_by_its_subject_and_verb():
    assert all(len(name.split(".")) == 2 for name in COMMANDS)


def test_a_bug_in_a_command_is_told_and_undoes_only_it(sql):
    desk = Desk(sql, NOW)
    with sql.savepoint():
        outcome_of(desk, "user.create", {"name": "ada"})
        desk.changed = lambda subject, number: sql.run("INSERT INTO no_such_table VALUES (1)")
        failed = outcome_of(desk, "user.create", {"name": "bob"})
    assert isinstance(failed, Failed)
    assert failed.code == "internal_error"
    assert [user.name for user in users(sql)] == ["ada"]


def test_an_engine_in_trouble_is_nobodys_result(sql):
    desk = Desk(sql, NOW)

    def full(subject, number):
        raise TryAgain("the disk is full")

    desk.changed = full
    with pytest.raises(TryAgain):
        outcome_of(desk, "user.create", {"name": "ada"})
