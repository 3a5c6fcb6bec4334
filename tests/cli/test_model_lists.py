"""The catalogue in lists."""

from __future__ import annotations

from played import played, reply

from waypost.cli.model_lists import LIST, PROVIDERS

LIVE = {"status": "live", "callable": True}
ROWS = [
    {"provider": "dear", **LIVE, "pricing": {"input": 1.0, "output": 4.0}, "throughput": 9.0},
    {"provider": "cheap", **LIVE, "pricing": {"input": 2.0, "output": 1.0}},
    {
        "provider": "free",
        "status": "live",
        "callable": False,
        "pricing": {"input": 0, "output": 0},
        "throughput": 99.0,
        "why_not": {"reason": "no_key", "why": "No key.", "fix": "Set one."},
    },
    {"provider": "off", "status": "error"},
]
ENTRY = {"id": "acme/one", "architecture": {"input_modalities": ["text", "image"]}, "providers": ROWS}


def values(columns, row) -> dict:
    return {column.name: column.value(row) for column in columns}


def test_the_cheapest_and_the_fastest_are_among_those_that_can_be_called() -> None:
    shown = values(LIST, ENTRY)
    assert shown["callable"] == "2/4"
    assert (shown["cheapest"], shown["usd_in"], shown["usd_out"]) == ("cheap", 2.0, 1.0)
    assert (shown["fastest"], shown["tokens_per_s"], shown["first_word_ms"]) == ("dear", 9.0, None)


def test_a_model_that_nobody_can_call_has_neither() -> None:
    shown = values(LIST, ENTRY | {"providers": ROWS[2:]})
    assert (shown["cheapest"], shown["fastest"]) == (None, None)


def test_what_cannot_be_called_says_why() -> None:
    why = [values(PROVIDERS, row)["why_not"] for row in ROWS]
    assert why == [None, None, "no_key: No key. Set one.", "no key, or switched off"]


def test_models_are_found_by_a_part_of_their_name_or_a_provider(cli) -> None:
    everything = cli("models", "list", "--format", "quiet").lines
    assert "practice/parrot" in everything
    assert cli("models", "list", "GPT", "--format", "quiet").lines == ["openai/gpt-oss-120b"]
    assert set(cli("models", "list", "--provider", "together", "--format", "quiet").lines) == {
        "openai/gpt-oss-120b",
        "Qwen/Qwen3.5-9B",
    }
    rows = cli("models", "list").lines
    assert rows[0] == "model\tcallable\tcheapest\tusd_in\tusd_out\tfastest\ttokens_per_s\tfirst_word_ms"
    assert len(rows) == len(everything) + 1
    nothing = cli("models", "list", "nothing-like-it", "--format", "human")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "No model fits.\n")
    slip = cli("models", "list", "--provider", "practice-swfit", "--format", "human")
    assert "nobody called 'practice-swfit' runs one; did you mean \"practice-swift\"?" in slip.err


def test_a_model_is_shown_with_its_providers(cli) -> None:
    shown = cli("models", "show", "practice/painter", "--format", "human")
    assert shown.lines[0] == "practice/painter  takes text and image"
    assert [line.split()[0] for line in shown.lines[3:]] == ["practice-swift", "practice-thrifty", "practice-flaky"]
    assert cli("models", "show", "practice/painter", "--format", "json").data["id"] == "practice/painter"
    assert len(cli("models", "show", "practice/painter").lines) == 4


def test_a_model_that_is_not_there_is_said_with_the_nearest(cli) -> None:
    done = cli("models", "show", "practice/parot")
    assert done.code == 2
    assert "practice/parrot" in done.err


def test_an_empty_catalogue_says_how_to_fill_it(alone) -> None:
    with played(reply({"data": []})) as server:
        done = alone("models", "list", "--url", server.url, "--format", "human")
    assert (done.code, done.out) == (0, "")
    assert "models sync" in done.err
