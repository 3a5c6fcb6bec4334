import pytest

from waypost.domain.problems import Refusal
from waypost.store.commands import run_command
from waypost.store.desk import Desk
from waypost.store.namespace import require_free_name


def test_a_free_name_is_free_for_both(sql):
    desk = Desk(sql, 1)
    for kind in ("user", "organisation"):
        for name in ("a", "a" * 64, "0a", "7-of-9", "a.b_c-d"):
            require_free_name(desk, name, kind)


@pytest.mark.parametrize(("command", "taken"), [("user.create", "a user"), ("org.create", "an organisation")])
def test_a_name_is_taken_by_whoever_has_it(sql, command, taken):
    desk = Desk(sql, 1)
    run_command(desk, command, {"name": "acme"})
    for kind in ("user", "organisation"):
        with pytest.raises(Refusal, match=f"already {taken} named 'acme'"):
            require_free_name(desk, "acme", kind)
