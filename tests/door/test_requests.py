"""Past requests, read from a real store: one's own for everybody, all of them for operators."""

import threading
from contextlib import asynccontextmanager

import pytest
from crossroads import START_MS, Crossroads, ask, model
from fitting import check_fits
from reception import Reception

from waypost.domain.chat import Usage
from waypost.domain.requests import RequestNumbers, request_id
from waypost.domain.waybill import Attempt, Outcome, Waybill
from waypost.door.requests import ReadingRoom, Requests
from waypost.identity.memberships import Memberships
from waypost.store.books import StoreSettings
from waypost.store.owner import Owner
from waypost.store.reader import Reader


class Archive:
    """A store with waybills in it, and the door's routes over it."""

    def __init__(self, owner, reader):
        self.owner = owner
        self.now_ms = START_MS
        self.numbers = RequestNumbers(0, lambda: self.now_ms)
        routes = Requests(reader, ReadingRoom(), Memberships({}))
        self.reception = Reception(**routes.handlers())

    async def people(self):
        for name in ("anna", "otto"):
            await self.owner.run("user.create", {"name": name})

    async def file(self, who="anna", **more):
        number, at_ms = self.numbers.next()
        caller = self.reception.people.caller(who)
        bill = Waybill(number, at_ms, request_id(number), caller=caller, request=ask(), status=200)
        bill.outcome = Outcome.DELIVERED
        for name, value in more.items():
            setattr(bill, name, value)
        await self.owner.file(bill)
        self.now_ms += 1_000
        return bill.request_id

    async def ids(self, query="", token="anna"):
        answer = await self.reception.get(f"/v1/requests{query}", token)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["data"]]


@asynccontextmanager
async def archive(folder):
    owner = Owner(StoreSettings(folder))
    reader = Reader(folder)
    try:
        room = Archive(owner, reader)
        await room.people()
        yield room
    finally:
        reader.close()
        await owner.close()


def test_a_caller_lists_its_own_requests_newest_first(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            mine = [await room.file() for _ in range(3)]
            await room.file("otto")
            assert await room.ids() == mine[::-1]

    run(main())


def test_pages_follow_each_other_without_gaps_or_repeats(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            mine = [await room.file() for _ in range(5)]
            seen, path = [], "/v1/requests?limit=2&model=acme%2Fone"
            while path:
                answer = await room.reception.get(path, "anna")
                check_fits("RequestList", answer.json())
                seen += [one["id"] for one in answer.json()["data"]]
                link = answer.headers.get("link")
                assert ("next" in answer.json()) == answer.json()["has_more"] == (link is not None)
                path = link and link.removeprefix("<").partition(">")[0]
            assert seen == mine[::-1]

    run(main())


def test_an_operator_sees_everybodys_and_may_ask_for_one_users(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            mine, other = await room.file("anna"), await room.file("otto")
            assert await room.ids(token="otto") == [other, mine]
            assert await room.ids("?caller=anna", "otto") == [mine]
            refused = await room.reception.get("/v1/requests?caller=otto", "anna")
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "operator_only")
            assert await room.ids("?caller=anna") == [mine]

    run(main())


def test_each_filter_narrows_the_list(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            plain = await room.file(served_by="alpha")
            failed = await room.file(
                outcome=Outcome.FAILED,
                status=502,
                code="provider_failed",
                attempts=[Attempt("beta", "x", 500, "provider_failed")],
                request=ask("acme/two"),
            )
            tagged = await room.file(request=ask()._replace(session_tag="s-1"))
            for query, expected in {
                "outcome=failed": [failed],
                "code=provider_failed": [failed],
                "status=502": [failed],
                "model=acme/two": [failed],
                "provider=beta": [failed],
                "provider=alpha": [plain],
                "session=s-1": [tagged],
                "since=2026-09-21T14:13:21Z": [tagged, failed],
                "until=2026-09-21T14:13:21Z": [plain],
                f"before={failed}": [plain],
                "token=no-such-token": [],
                "model=": [tagged, failed, plain],
            }.items():
                assert await room.ids(f"?{query}") == expected, query

    run(main())


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "outcome=lost", "since=soon", "until=-1", "before=req_1",
        "strangers=perhaps", "status=1000", "modle=acme/one",
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_applied_is_refused_by_name(run, tmp_path, query):
    async def main():
        async with archive(tmp_path) as room:
            return await room.reception.get(f"/v1/requests?{query}", "anna")

    answer = run(main())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert answer.json()["error"]["param"] == query.partition("=")[0]


def test_one_request_is_found_by_its_owner_and_by_operators_alone(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            mine = await room.file(
                plan=Crossroads(model("alpha", "beta")).plan(),
                attempts=[Attempt("alpha", "one-at-alpha", 200)],
                usage=Usage(1, 2, 3, 4),
                first_word_ms=2.0,
                ms=5.0,
            )
            other = await room.file("otto")
            for who, wanted in (("anna", mine), ("otto", mine), ("otto", other)):
                answer = await room.reception.get(f"/v1/requests/{wanted}", who)
                assert answer.json()["id"] == wanted
                check_fits("Waybill", answer.json())
            for wanted in (other, request_id(1), "req_short", "x" * 300, "%00"):
                answer = await room.reception.get(f"/v1/requests/{wanted}", "anna")
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "request_not_found"), wanted

    run(main())


def test_unknown_callers_are_for_operators_eyes(run, tmp_path):
    async def main():
        async with archive(tmp_path) as room:
            number, at_ms = room.numbers.next()
            bill = Waybill(number, at_ms, request_id(number), code="token_unknown", status=401, stranger="hf_…wxyz")
            room.owner.file_stranger(bill)
            await room.file()
            refused = await room.reception.get("/v1/requests?strangers=true", "anna")
            assert refused.json()["error"]["code"] == "operator_only"
            seen = (await room.reception.get("/v1/requests?strangers=true", "otto")).json()["data"]
            assert [one["id"] for one in seen] == [bill.request_id]
            assert bill.request_id not in await room.ids(token="otto")
            narrowed = await room.reception.get("/v1/requests?strangers=true&model=acme/one", "otto")
            assert narrowed.json()["error"]["param"] == "model", "a filter that is not applied would mislead"

    run(main())


def test_when_too_many_look_ups_wait_more_are_refused(run):
    async def main():
        room = ReadingRoom(seats=1, waiting_max=0)
        room._inside = 1
        with pytest.raises(Exception, match="Too many look-ups") as caught:
            await room.read(lambda: 1)
        assert caught.value.code == "overloaded"
        room._inside = 0
        return await room.read(threading.current_thread)

    assert run(main()) is not threading.current_thread()
