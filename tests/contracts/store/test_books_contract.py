"""What every store promises, whichever way it is reached. One suite for every driver."""

import asyncio

import pytest
from sample_bills import START_MS, sample_caller, sample_request

from waypost.domain.callers import Limits
from waypost.domain.endpoints import Preferences
from waypost.domain.problems import Problem, Refusal
from waypost.domain.pulse import PulseDelta
from waypost.domain.waybill import Outcome
from waypost.store.books import Counter, Filters
from waypost.store.clock import unix_seconds

TOKEN = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": "wxyz"}


async def ada(books):
    await books.run("user.create", {"name": "ada"})
    return await books.run("token.create", TOKEN)


def test_a_filed_waybill_can_be_read_the_moment_it_is_done(run, open_books, place, bills, reader):
    async def story():
        async with open_books(place) as books:
            await ada(books)
            bill = bills.bill()
            await books.file(bill)
            found = reader().find(bill.id)
            assert (found["id"], found["outcome"], found["served_by"]) == (bill.request_id, "delivered", "alpha")
            assert found["caller"] == {"user": "ada", "token": "laptop", "session_tag": None}
            assert found["payer"] == {"type": "user", "name": "ada"}

    run(story())


def test_trouble_with_the_disk_is_known_everywhere_and_ends_by_itself(run, open_books, place, bills, outage):
    async def known(books, *, trouble) -> None:
        async with asyncio.timeout(5):
            while (books.trouble is not None) != trouble:
                await asyncio.sleep(0.01)

    async def story():
        async with open_books(place) as books:
            await books.file(bills.bill())
            assert (books.trouble, books.unwritten) == (None, 0)
            outage.begin()
            refused = books.file(bills.bill())
            assert books.unwritten == 1
            with pytest.raises(Refusal, match="could not be written"):
                await refused
            await known(books, trouble=True)
            assert books.unwritten == 0
            outage.end()
            await known(books, trouble=False)
            await books.file(bills.bill())

    run(story())


def test_a_thousand_at_once_are_all_there(run, open_books, place, bills, reader):
    made = bills.some(1000)

    async def story():
        async with open_books(place) as books:
            await asyncio.gather(*map(books.file, made))

    run(story())
    assert reader().counts()["requests"] == 1000
    assert all(reader().find(bill.id) for bill in made[::100])


def test_one_that_cannot_be_written_fails_alone(run, open_books, place, bills, reader):
    bad = {
        "outside its range": bills.bill(charge_nano_usd=-1),
        "no number": bills.bill(ms="long"),
        "beyond 64 bits": bills.bill(charge_nano_usd=2**70),
        "beyond 63 bits": bills.bill(charge_nano_usd=2**63),
    }
    good = bills.some(3)

    async def story():
        async with open_books(place) as books:
            results = await asyncio.gather(*map(books.file, [*good, *bad.values()]), return_exceptions=True)
            assert results[:3] == [None] * 3
            assert [result.code for result in results[3:]] == ["internal_error"] * 4
            await books.file(bills.bill())

    run(story())
    assert reader().counts()["requests"] == 4


def test_lists_are_filtered_by_everything(run, open_books, place, bills, reader):
    bob = sample_caller(2, "bob")
    odd = bills.bill(
        caller=bob,
        request=sample_request("acme/two", session_tag="s-1"),
        outcome=Outcome.FAILED,
        status=502,
        code="provider_failed",
        served_by="beta",
    )

    async def story():
        async with open_books(place) as books:
            await ada(books)
            await books.run("user.create", {"name": "bob"})
            await books.run("token.create", TOKEN | {"user": "bob", "name": "ci", "digest": b"e" * 32})
            await asyncio.gather(*map(books.file, [*bills.some(5), odd, *bills.some(5)]))

    run(story())
    for filters in (
        Filters(user="bob"),
        Filters(token="ci"),
        Filters(model="acme/two"),
        Filters(provider="beta"),
        Filters(outcome=Outcome.FAILED),
        Filters(code="provider_failed"),
        Filters(session="s-1"),
        Filters(status=502),
        Filters(since_ms=odd.at_ms, until_ms=odd.at_ms + 1),
        Filters(user="bob", provider="beta", status=502, code="provider_failed"),
    ):
        assert [item["id"] for item in reader().page(filters).items] == [odd.request_id], filters
    for filters in (Filters(user="nobody"), Filters(user="ada", status=502), Filters(model="acme/three")):
        assert reader().page(filters).items == [], filters


def test_unknown_callers_are_kept_apart_from_waybills(run, open_books, place, bills, reader):
    async def story():
        async with open_books(place) as books:
            for _ in range(3):
                books.file_stranger(bills.bare(stranger="hf_…", status=401, code="token_unknown"))
            await books.file(bills.bill())

    run(story())
    assert [stranger["stranger"] for stranger in reader().strangers()] == ["hf_…"] * 3
    assert len(reader().page(Filters()).items) == 1


def test_identities_are_made_changed_and_revoked(run, open_books, place, reader):
    async def story():
        async with open_books(place) as books:
            wants = Preferences("cheapest", ("alpha",), frozenset({"beta"}))
            user = await books.run("user.create", {"name": "ada", "preferences": wants, "operator": True})
            assert (user.name, user.preferences, user.operator) == ("ada", wants, True)
            token = await books.run("token.create", TOKEN | {"limits": Limits(streams_at_once=2)})
            assert reader().tokens() == [token]
            assert (token.digest, token.limits.streams_at_once) == (b"d" * 32, 2)
            revoked = await books.run("token.revoke", {"id": token.id})
            assert reader().tokens() == [revoked]
            assert revoked.revoked_at is not None
            changed = await books.run("user.update", {"name": "ada", "operator": False})
            assert reader().users() == [changed]

    run(story())


@pytest.mark.parametrize(
    ("command", "args", "message"),
    [
        ("user.create", {"name": "ada"}, "already a user named 'ada'"),
        ("user.create", {"name": "Not A Name"}, "cannot be a user's name"),
        ("token.create", TOKEN | {"digest": b"x" * 32}, "already has a token named 'laptop'"),
        ("token.create", TOKEN | {"user": "bob"}, "no user named 'bob'"),
        ("token.create", TOKEN | {"name": "two", "kind": "all"}, "no kind of token"),
        ("token.revoke", {"id": 404}, "no token 404"),
        ("nonsense", {}, "no command 'nonsense'"),
    ],
)
def test_a_wrong_command_is_a_clear_refusal(run, open_books, place, command, args, message):
    async def story():
        async with open_books(place) as books:
            await ada(books)
            with pytest.raises(Refusal, match=message) as caught:
                await books.run(command, args)
            assert isinstance(caught.value, Problem)
            assert caught.value.code == "invalid_request"
            assert caught.value.fix

    run(story())


def test_changes_are_known_when_the_command_is_done(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            known = {}
            books.on_changes(lambda changes: known.update({(c.subject, c.id): c.value for c in changes}))
            token = await ada(books)
            assert known["token", token.id] == token
            revoked = await books.run("token.revoke", {"id": token.id})
            assert known["token", token.id] == revoked

    run(story())


def test_a_minutes_limit_is_exact(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            await a_minute_that_lasts()
            counter = Counter("requests:1", 10, 60)
            verdicts = await asyncio.gather(*[take(books, counter) for _ in range(64)])
            assert sum(verdict.granted for verdict in verdicts) == 10
            assert all(0 < verdict.reset_seconds <= 60 for verdict in verdicts)
            assert all(verdict.remaining >= 0 for verdict in verdicts)

    run(story())


async def a_minute_that_lasts():
    """A test of minutes must not be surprised by the next one."""
    while unix_seconds() % 60 > 57:
        await asyncio.sleep(0.1)


async def take(books, counter, amount=1):
    verdict = books.try_take(counter, amount)
    return await books.take(counter, amount) if verdict is None else verdict


def test_streams_at_once_come_back(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            counter = Counter("streams:1", 3, 0)
            assert [(await take(books, counter)).granted for _ in range(4)] == [True, True, True, False]
            books.give(counter, 1)
            books.give(counter, 1)
            assert [(await take(books, counter)).granted for _ in range(3)] == [True, True, False]

    run(story())


def test_tokens_may_be_corrected_to_more_than_the_limit(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            await a_minute_that_lasts()
            counter = Counter("tokens:1", 1000, 60)
            assert (await take(books, counter, 900)).granted
            books.give(counter, -500)
            assert not (await take(books, counter, 1)).granted

    run(story())


def test_readings_are_kept_for_the_next_start(run, open_books, place):
    reading = PulseDelta(("acme/one", "alpha"), START_MS * 2, (1.0, 2.5))

    async def story(expected):
        async with open_books(place) as books:
            told = []
            books.on_pulse(told.extend)
            assert told == expected
            books.send_pulse([reading])
            await books.run("token.used", {"uses": {}})  # whatever was said before it has arrived

    run(story([]))
    run(story([reading]))


def test_every_process_has_its_own_number_for_requests(run, open_books, place):
    async def story():
        async with open_books(place) as books:
            assert 0 <= books.writer <= 63

    run(story())
