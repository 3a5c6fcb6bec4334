"""A limit that is set in the middle of a month counts the month, on both engines."""

from dataclasses import replace

import pytest
from paid_calls import bill_of, end, hold_of
from sample_bills import Bills, sample_payer

from waypost.domain.ledger import period_of
from waypost.domain.payers import SpendingLimit
from waypost.store.books import STANDING, Counter, Retention, StoreSettings
from waypost.store.clock import unix_ms
from waypost.store.owner import Owner
from waypost.store.reader import Reader
from waypost.store.verify import verify

SPENT = "SELECT subject, used FROM spending ORDER BY subject"


@pytest.fixture
def settings(folder, database):
    return StoreSettings(folder, Retention(None, None), database, poll_seconds=0.05)


async def people(owner):
    for name in ("ada", "bob"):
        await owner.run("user.create", {"name": name})
    await owner.run("org.create", {"name": "acme", "admin": "ada"})
    for account in ("user:1", "org:1"):
        await owner.run("credits.grant", {"account": account, "amount": 10_000})


async def charge(owner, bills, amount, payer):
    await owner.file(end(bill_of(bills, await hold_of(owner, 900, payer)), amount))


def left(owner, subject):
    return owner.free(Counter(f"spend:{subject}:{period_of(unix_ms())}", 1_000, STANDING))


def rows(settings):
    reader = Reader(settings.folder, settings.database)
    try:
        broken = reader.ask(lambda sql: [one for one in verify(sql) if one.invariant == "spending"])
        assert broken == []
        return dict(reader.ask(lambda sql: sql.rows(SPENT)))
    finally:
        reader.close()


@pytest.fixture
def bills():
    """Of now: usage goes by the numbers of calls."""
    return Bills(unix_ms())


def test_whoever_gets_a_limit_has_spent_what_was_spent(run, settings, bills):
    async def story():
        owner = Owner(settings)
        await people(owner)
        await charge(owner, bills, 300, sample_payer())
        await charge(owner, bills, 20, sample_payer("acme", "organisation"))
        assert rows(settings) == {}
        await owner.run("user.update", {"name": "ada", "spending_limit": 1_000})
        await owner.run("org.update", {"name": "acme", "spending_limit": 1_000, "member_spending_limit": 1_000})
        subjects = ("user:1", "org:1", "member:1:1", "member:1:2")
        assert [left(owner, subject) for subject in subjects] == [700, 980, 980, 1_000]
        limited = replace(sample_payer(), limits=(SpendingLimit("user:1", 1_000, "ada"),))
        assert await hold_of(owner, 701, limited) is None
        await charge(owner, bills, 600, replace(limited, limits=(SpendingLimit("user:1", 2_000, "ada"),)))
        assert left(owner, "user:1") == 100
        await owner.close()

    run(story())
    assert rows(settings) == {"member:1:1": 20, "org:1": 20, "user:1": 900}


def test_a_limit_that_comes_back_counts_what_was_spent_without_it(run, settings, bills):
    limited = replace(sample_payer(), limits=(SpendingLimit("user:1", 1_000, "ada"),))

    async def story():
        owner = Owner(settings)
        await people(owner)
        await owner.run("user.update", {"name": "ada", "spending_limit": 1_000})
        await charge(owner, bills, 100, limited)
        await owner.run("user.update", {"name": "ada", "spending_limit": None})
        await charge(owner, bills, 50, sample_payer())
        assert left(owner, "user:1") == 900
        await owner.run("user.update", {"name": "ada", "fullname": "Ada"})
        assert left(owner, "user:1") == 900, "nothing of limits was said"
        await owner.run("user.update", {"name": "ada", "spending_limit": 1_000})
        assert left(owner, "user:1") == 850
        await owner.close()
        again = Owner(settings)
        assert left(again, "user:1") == 850
        await again.close()

    run(story())
    assert rows(settings) == {"user:1": 150}


def test_a_member_who_comes_back_has_spent_what_was_spent(run, settings, bills):
    async def story():
        owner = Owner(settings)
        await people(owner)
        await charge(owner, bills, 70, sample_payer("acme", "organisation"))
        await owner.run("member.remove", {"organisation": "acme", "user": "ada"})
        await owner.run("member.set", {"organisation": "acme", "user": "ada", "spending_limit": 1_000})
        assert left(owner, "member:1:1") == 930
        await owner.close()

    run(story())
