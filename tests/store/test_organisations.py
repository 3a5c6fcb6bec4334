import pytest

from waypost.domain.endpoints import Preferences
from waypost.domain.payers import Member, Rules
from waypost.domain.problems import Refusal
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.identities import changes_since, members, organisations

NOW = 1_790_000_000_000


class Days:
    """A store, and a clock that moves by a day with each command."""

    def __init__(self, sql):
        self.sql = sql
        self.now = NOW

    def __call__(self, command: str, /, **args):
        self.now += 1
        return run_command(Desk(self.sql, self.now), command, args)

    def told(self, seq: int = 0) -> list[tuple[str, int]]:
        return [(change.subject, change.id) for change in changes_since(self.sql, seq)]


@pytest.fixture
def do(sql):
    made = Days(sql)
    made("user.create", name="ann")
    made("user.create", name="bob")
    return made


def refused(do, command, /, **args) -> Refusal:
    with pytest.raises(Refusal) as caught:
        do(command, **args)
    assert caught.value.code == "invalid_request"
    assert caught.value.fix
    return caught.value


def test_an_organisation_is_made_with_its_first_admin_changed_and_listed(do, sql):
    made = do("org.create", name="acme", fullname="Acme Ltd", spending_limit=5, admin="ann")
    assert (made.name, made.fullname, made.created_at, made.spending_limit, made.included) == (
        "acme",
        "Acme Ltd",
        NOW + 3,
        5,
        None,
    )
    assert members(sql) == [Member(made.id, 1, "admin", None, NOW + 3)]
    wants = Preferences(order=("beta",), disabled=frozenset({"alpha"}), preferred_only=True)
    rules = Rules(frozenset({"acme/one"}), frozenset({"acme/two"}), frozenset({"beta"}), "admin", True, True)
    changed = do("org.update", name="acme", included=0, preferences=wants, rules=rules)
    assert (changed.fullname, changed.spending_limit, changed.included) == ("Acme Ltd", 5, 0)
    assert (changed.preferences, changed.rules) == (wants, rules)
    assert organisations(sql) == [changed]


def test_what_is_left_out_stays_and_null_takes_a_limit_away(do):
    do("org.create", name="acme", spending_limit=5, member_spending_limit=0, included=7)
    assert do("org.update", name="acme", fullname="A").spending_limit == 5
    changed = do("org.update", name="acme", spending_limit=None, included=None)
    assert (changed.spending_limit, changed.member_spending_limit, changed.included) == (None, 0, None)


def test_users_and_organisations_share_their_names(do):
    do("org.create", name="acme")
    assert "already a user named 'ann'" in refused(do, "org.create", name="ann").message
    assert "already an organisation named 'acme'" in refused(do, "org.create", name="acme").message
    assert "already an organisation named 'acme'" in refused(do, "user.create", name="acme").message


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "a" * 65, "a b", "a/1", "acme\n", "7", "0123"])
def test_a_name_that_would_not_work_in_a_url_or_is_an_id_is_refused(do, name):
    assert "cannot be an organisation's name" in refused(do, "org.create", name=name).message
    assert "cannot be a user's name" in refused(do, "user.create", name=name).message


def test_a_user_joins_changes_its_role_and_leaves(do, sql):
    org = do("org.create", name="acme").id
    joined = do("member.set", organisation="acme", user="bob")
    assert joined == Member(org, 2, "read", None, NOW + 4)
    assert do("member.set", organisation="acme", user="bob", role="write", spending_limit=9).added_at == NOW + 4
    assert do("member.set", organisation="acme", user="bob", spending_limit=None).role == "write"
    left = do("member.remove", organisation="acme", user="bob")
    assert (left.role, left.removed_at, members(sql)) == ("write", NOW + 7, [])
    assert do("member.remove", organisation="acme", user="bob") == left, "leaving twice is leaving once"


def test_who_comes_back_begins_anew(do):
    do("org.create", name="acme")
    do("member.set", organisation="acme", user="bob", role="admin", spending_limit=9)
    do("member.remove", organisation="acme", user="bob")
    back = do("member.set", organisation="acme", user="bob")
    assert (back.role, back.spending_limit, back.added_at, back.removed_at) == ("read", None, NOW + 6, None)


def test_every_process_hears_of_every_change_and_of_who_left(do, sql):
    do("org.create", name="acme", admin="ann")
    seq = changes_since(sql, 0)[-1].seq
    do("member.set", organisation="acme", user="bob", role="write")
    do("org.update", name="acme", fullname="A")
    do("member.remove", organisation="acme", user="ann")
    assert do.told(seq) == [("member", 2), ("organisation", 1), ("member", 1)]
    assert changes_since(sql, seq)[-1].value.removed_at == NOW + 6


@pytest.mark.parametrize(
    ("command", "args", "param"),
    [
        ("org.update", {"name": "none"}, "organisation"),
        ("org.update", {"name": "acme", "admin": "ann"}, "admin"),
        ("org.update", {"name": "acme", "fullname": "x" * 201}, "fullname"),
        ("org.update", {"name": "acme", "spending_limit": -1}, "spending_limit"),
        ("org.update", {"name": "acme", "included": 2**63}, "included"),
        ("org.update", {"name": "acme", "rules": {"billers": "owner"}}, "billers"),
        ("org.update", {"name": "acme", "rules": {"models": [f"a/{n}" for n in range(1_001)]}}, "rules"),
        ("org.update", {"name": "acme", "preferences": {"payer": "ann"}}, "preferences"),
        ("org.create", {"name": "beta", "admin": "eve"}, "user"),
        ("member.set", {"organisation": "none", "user": "ann"}, "organisation"),
        ("member.set", {"organisation": "acme", "user": "eve"}, "user"),
        ("member.set", {"organisation": "acme", "user": "ann", "role": "owner"}, "role"),
        ("member.set", {"organisation": "acme", "user": "ann", "spending_limit": -1}, "spending_limit"),
        ("member.remove", {"organisation": "acme", "user": "bob"}, "user"),
        ("user.update", {"name": "ann", "spending_limit": -1}, "spending_limit"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_changed(do, sql, command, args, param):
    do("org.create", name="acme", admin="ann")
    before = (organisations(sql), members(sql), do.told())
    assert refused(do, command, **args).param == param
    assert (organisations(sql), members(sql), do.told()) == before


def test_a_users_spending_limit_is_set_kept_and_taken_away(do):
    assert do("user.update", name="ann", spending_limit=0).spending_limit == 0
    assert do("user.update", name="ann", fullname="Ann").spending_limit == 0
    assert do("user.update", name="ann", spending_limit=None).spending_limit is None
    assert do("user.create", name="eve", spending_limit=7).spending_limit == 7
