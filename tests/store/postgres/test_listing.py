import pytest
from sample_bills import sample_caller, sample_request

from waypost.domain.waybill import Outcome
from waypost.store.batch import Batch, Order
from waypost.store.books import Filters
from waypost.store.postgres.listing import newest

INDEXED = {
    "user": "ada",
    "token": "laptop",
    "model": "acme/one",
    "provider": "alpha",
    "policy": "fastest",
    "code": "provider_failed",
    "session": "s-1",
    "status": 502,
    "outcome": Outcome.FAILED,
}


@pytest.fixture
def filed(scribe, bills):
    token = {"user": "ada", "name": "laptop", "kind": "write", "digest": b"d" * 32, "last4": ""}
    orders = [Order("user.create", {"name": "ada"}, None), Order("token.create", token, None)]
    made = bills.some(50)
    made += [
        bills.bill(
            caller=sample_caller(1, "ada"),
            request=sample_request("acme/one", session_tag="s-1"),
            outcome=Outcome.FAILED,
            status=502,
            code="provider_failed",
            served_by="alpha",
        )
    ]
    batch = Batch([(bill, None) for bill in made], [], orders, [])
    scribe.prepare(batch)
    scribe.write(batch)
    return made


@pytest.mark.parametrize("name", INDEXED)
def test_every_filter_finds_by_its_index(scribe, filed, name):
    found = newest(scribe.sql, Filters(**{name: INDEXED[name]}), 10)
    assert found[0] == filed[-1].id
    scribe.sql.run("SET enable_seqscan = off")
    columns = {"user": "user_id", "token": "token_id"}
    column = columns.get(name, name)
    value = scribe.sql.value(f"SELECT {column} FROM calls WHERE id = :id", {"id": filed[-1].id})
    plan = scribe.sql.rows(f"EXPLAIN SELECT id FROM calls WHERE {column} = {value} ORDER BY id DESC LIMIT 10")
    assert f"calls_{name}" in str(plan)


def test_a_word_nobody_used_fits_nothing(scribe, filed):
    for name in ("user", "token", "model", "provider", "policy", "code", "session"):
        assert newest(scribe.sql, Filters(**{name: "nobody"}), 10) == []


def test_pages_go_on_before_the_last_one(scribe, filed):
    first = newest(scribe.sql, Filters(model="acme/one"), 20)
    rest = newest(scribe.sql, Filters(model="acme/one", before=filed[50 - 19].request_id), 100)
    assert first == sorted(first, reverse=True)
    assert first + rest == [bill.id for bill in reversed(filed)]


def test_tokens_of_one_name_are_listed_together(scribe, filed):
    scribe.write(Batch([], [], [Order("user.create", {"name": "bob"}, None)], []))
    other = {"user": "bob", "name": "laptop", "kind": "write", "digest": b"e" * 32, "last4": ""}
    scribe.write(Batch([], [], [Order("token.create", other, None)], []))
    assert len(newest(scribe.sql, Filters(token="laptop"), 100)) == 51
