import pytest

from waypost.domain.databases import ADDRESS, scrubbed, shown


@pytest.mark.parametrize(
    "address",
    [
        "postgres://db/waypost",
        "postgresql://ada@db.example.com:5432/waypost?sslmode=verify-full",
        "postgres://ada:p%40ss%3A@[::1]:5432/waypost",
        "postgres:///waypost?host=/var/run/postgresql",
        "postgres://ada@one:5432,two:5433/waypost?target_session_attrs=read-write",
        "postgres://",
    ],
)
def test_addresses_as_postgres_itself_takes_them_are_taken(address):
    assert ADDRESS.match(address)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://db/x",
        "sqlite:///x.db",
        "postgres://ada:p@ss@db/x",
        "postgres://ada:p/ss@db/x",
        "postgres://ada:p#ss@db/x",
        "postgres://ada:p?ss@db/x",
        "postgres://ada:p:ss@db/x",
        "postgres://ada:pass word@db/x",
        "postgres://db/x\n",
        "host=db password=x",
    ],
)
def test_an_address_whose_password_would_spill_is_refused(address):
    assert not ADDRESS.match(address)


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("postgres://ada:geheim@db:5432/x", "postgres://ada@db:5432/x"),
        ("postgres://ada@db/x", "postgres://ada@db/x"),
        ("postgres://db/x?sslmode=require&password=geheim", "postgres://db/x?sslmode=require"),
        ("postgres:///x?host=/tmp/pg&sslpassword=geheim", "postgres:///x?host=/tmp/pg"),
    ],
)
def test_everything_but_the_password_is_shown(address, seen):
    assert shown(address) == seen


def test_a_drivers_words_are_told_without_the_password_as_written_and_as_meant():
    address = "postgres://ada:a%40b@db/x?password=c"
    assert scrubbed('no host "a%40b", nor "a@b", nor "c"', address) == 'no host "…", nor "…", nor "…"'
    assert scrubbed("as it was", "postgres://ada@db/x") == "as it was"
