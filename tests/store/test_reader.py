import asyncio
import threading

import pytest
from sample_bills import START_MS, sample_request

from waypost.store.books import Filters, Retention, StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import LIMIT_MAX, Reader
from waypost.store.usage import Wanted


@pytest.fixture
def reader(folder, database):
    """On both engines. Opened when first asked for: there must be data by then."""
    opened = []

    def open_once() -> Reader:
        if not opened:
            opened.append(Reader(folder, database))
        return opened[0]

    yield open_once
    for each in opened:
        each.close()


@pytest.fixture
def filed(run, folder, database, bills):
    """Twelve waybills of two models, a stranger, a user with a token; the owner is gone again."""
    made = [bills.bill(request=sample_request(model)) for model in ("acme/one", "acme/two") * 6]

    async def story():
        owner = Owner(StoreSettings(folder, Retention(None, None), database))
        await owner.run("user.create", {"name": "ada"})
        token = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": ""}
        await owner.run("token.create", token)
        await asyncio.gather(*map(owner.file, made))
        owner.file_stranger(bills.bare(stranger="hf_…", status=401, code="token_unknown"))
        await owner.close()

    run(story())
    return made


def test_a_waybill_is_found_by_its_number_with_its_names(filed, reader):
    found = reader().find(filed[3].id)
    assert found["id"] == filed[3].request_id
    assert found["caller"] == {"user": "ada", "token": "laptop", "session_tag": None}
    assert (found["model"], found["policy"], found["served_by"]) == ("acme/two", "fastest", "alpha")
    assert reader().find(7) is None


def test_pages_follow_each_other_by_the_last_ones_id(filed, reader):
    wanted = [bill.request_id for bill in filed if bill.request.model == "acme/two"][::-1]
    filters, seen = Filters(model="acme/two", limit=4), []
    while True:
        page = reader().page(filters)
        seen.append([item["id"] for item in page.items])
        if page.next is None:
            break
        filters = filters._replace(before=page.next)
    assert seen == [wanted[:4], wanted[4:]]


def test_a_full_last_page_says_that_it_is_the_last(filed, reader):
    assert reader().page(Filters(limit=12)).next is None
    assert reader().page(Filters(limit=11)).next == filed[1].request_id


def test_a_page_has_an_end_whatever_is_asked(filed, reader):
    assert len(reader().page(Filters(limit=0)).items) == 1
    assert len(reader().page(Filters(limit=LIMIT_MAX * 9)).items) == 12


def test_times_choose_by_when_a_call_began(filed, reader):
    since, until = filed[2].at_ms, filed[5].at_ms
    found = [item["id"] for item in reader().page(Filters(since_ms=since, until_ms=until)).items]
    assert found == [bill.request_id for bill in filed[2:5]][::-1]
    assert reader().page(Filters(until_ms=START_MS)).items == []


def test_identities_and_strangers_are_listed(filed, reader):
    (user,), (token,) = reader().users(), reader().tokens()
    assert (user.name, token.name, token.user_id) == ("ada", "laptop", user.id)
    assert reader().tokens()[0].last_used_at == filed[-1].at_ms
    assert [stranger["code"] for stranger in reader().strangers()] == ["token_unknown"]
    assert [change.subject for change in reader().changes_since(0)] == ["user", "token"]
    assert reader().counts() == {"users": 1, "tokens": 1, "requests": 12, "strangers": 1}


def test_many_threads_read_at_once(filed, reader):
    one, results = reader(), []
    start = threading.Barrier(6)

    def read():
        start.wait()
        for _ in range(20):
            results.append(len(one.page(Filters(user="ada")).items))

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [12] * 120


def test_money_is_read_in_one_snapshot_each(run, folder, database, reader):
    async def story():
        owner = Owner(StoreSettings(folder, Retention(None, None), database))
        await owner.run("user.create", {"name": "ada"})
        done = await owner.run("credits.grant", {"account": "user:1", "amount": 500})
        await owner.close()
        return done

    done = run(story())
    assert reader().transfers("user:1") == reader().transfers() == [done.transfer]
    assert reader().account("user:1").free == 500
    assert [account.posted for account in reader().accounts()] == [-500, 0, 0, 500]
    assert reader().verify([]) == reader().replay() == reader().reconcile() == []


def test_usage_is_read_from_what_was_filed(filed, reader):
    answer = reader().usage(Wanted(by=("model",)))
    assert {group.key["model"]: group.sums.requests for group in answer.groups} == {"acme/one": 6, "acme/two": 6}
    assert reader().usage(Wanted(account="user:1")).total == answer.total
    assert [call["id"] for page in reader().usage_calls(Wanted()) for call in page] == [bill.id for bill in filed]
