"""Asking for lists over real sockets, and telling what has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pathserver import Page, path_server
from rawserver import upstream_of

from waypost.domain.endpoints import Endpoint, Model, Provider, Sheet
from waypost.domain.money import Price
from waypost.domain.problems import Failed
from waypost.providers.sync import changes, sync

DAY = "2026-11-20"
ROUTER_LIST = {
    "data": [
        {
            "id": "openai/gpt-oss-120b",
            "providers": [
                {"provider": "cerebras", "status": "live", "pricing": {"input": 0.35, "output": 0.75}},
                {"provider": "groq", "status": "live"},
                {"provider": "novita", "status": "live"},
            ],
        }
    ]
}
PAGES = {
    "/v1/models": ROUTER_LIST,
    "/api/partners/cerebras/models?status=live": {
        "conversational": {"openai/gpt-oss-120b": {"providerId": "gpt-oss-120b"}}
    },
    "/api/partners/novita/models?status=live": Page("nothing", 500),
}


def sheet(*rows: tuple[str, str, Price | None]) -> Sheet:
    models = tuple(Model(model, (Endpoint(model, provider, model, price=price),)) for model, provider, price in rows)
    return Sheet("alpha", "http://alpha/v1/models", DAY, models)


def test_hugging_face_s_list_is_completed_with_what_providers_call_their_models(run) -> None:
    async def scene() -> Sheet:
        async with path_server(PAGES) as server, upstream_of() as upstream:
            provider = Provider("huggingface", f"{server.url}/v1", key="hf_canary", allow_private=True)
            got = await sync(upstream, provider, DAY, hub_url=server.url)
            assert not any("hf_canary" in head for head in server.asked)
            assert sorted(server.paths) == sorted([*PAGES, "/api/partners/groq/models?status=live"])
            return got

    got = run(scene())
    (model,) = got.models
    assert [(each.provider, each.id) for each in model.endpoints] == [
        ("cerebras", "gpt-oss-120b"),
        ("groq", "openai/gpt-oss-120b"),
        ("huggingface", "openai/gpt-oss-120b"),
    ]
    assert (got.name, got.as_of) == ("huggingface", DAY)
    assert got.notes[0] == "1 left out: endpoint of novita, whose own ids are not known"
    assert [note.split(":")[0] for note in got.notes[1:]] == ["ids of groq", "ids of novita"]


def test_a_provider_s_own_list_is_asked_with_its_key_and_read_by_the_names_hugging_face_told(run) -> None:
    async def scene() -> Sheet:
        async with path_server({"/v1/models": {"data": [{"id": "gpt-oss-120b"}]}}) as server, upstream_of() as upstream:
            provider = Provider("cerebras", f"{server.url}/v1", key="csk-1", allow_private=True)
            last = sheet(("openai/gpt-oss-120b", "cerebras", None))
            endpoint = replace(last.models[0].endpoints[0], id="gpt-oss-120b")
            last = last._replace(models=(replace(last.models[0], endpoints=(endpoint,)),))
            got = await sync(upstream, provider, DAY, last)
            assert "authorization: Bearer csk-1" in server.asked[0]
            assert got.source == f"{server.url}/v1/models"
            return got

    assert [model.id for model in run(scene()).models] == ["openai/gpt-oss-120b"]


@pytest.mark.parametrize("slug", ["huggingface", "alpha"])
def test_what_is_no_list_fails_with_a_reason_and_a_way_out(run, slug) -> None:
    async def scene() -> None:
        async with path_server({"/v1/models": {"error": "no"}}) as server, upstream_of() as upstream:
            provider = Provider(slug, f"{server.url}/v1", allow_private=True)
            with pytest.raises(Failed) as caught:
                await sync(upstream, provider, DAY, hub_url=server.url)
            assert "no list of models" in caught.value.why
            assert "waypost.toml" in caught.value.fix

    run(scene())


def test_a_provider_that_publishes_no_list_is_not_asked(run) -> None:
    async def scene() -> None:
        async with upstream_of() as upstream:
            with pytest.raises(Failed) as caught:
                await sync(upstream, Provider("cohere", "https://api.cohere.com/compatibility/v1"), DAY)
            assert "publishes no list" in caught.value.why

    run(scene())


def test_changes_are_what_is_new_what_is_gone_and_what_has_another_price() -> None:
    before = sheet(
        ("a/old", "alpha", None), ("a/same", "alpha", Price(1, 2, version="x")), ("a/dear", "alpha", Price(1, 2))
    )
    after = sheet(
        ("a/same", "alpha", Price(1, 2, version="y")), ("a/dear", "alpha", Price(2, 2)), ("a/new", "alpha", None)
    )
    found = changes(before, after)
    assert found.new == (("a/new", "alpha"),)
    assert found.gone == (("a/old", "alpha"),)
    assert [(each.model, each.before[:2], each.after[:2]) for each in found.repriced] == [("a/dear", (1, 2), (2, 2))]
    assert found.lines[0] == "1 new, 1 gone, 1 with another price"


def test_without_a_sheet_before_everything_is_new() -> None:
    after = sheet(("a/one", "alpha", None))
    assert changes(None, after) == ((("a/one", "alpha"),), (), ())


def test_prices_in_the_summary_are_in_usd_and_long_lists_are_cut() -> None:
    before = sheet(("a/one", "alpha", None))
    after = sheet(("a/one", "alpha", Price(100_000_000, 300_000_000)), *((f"a/{n}", "alpha", None) for n in range(30)))
    lines = changes(before, after).lines
    assert "~ a/one at alpha: unpriced → 0.1 / 0.3 USD per million" in lines
    assert "  … and 10 more" in lines
    assert len(lines) == 1 + 20 + 1 + 1
