from waypost.routing.nearest import Spellings, nearest_word


def test_an_id_that_differs_in_case_alone_comes_first() -> None:
    spellings = Spellings(["openai/gpt-oss-20b", "openai/gpt-oss-120b", "OpenAI/GPT"])
    assert spellings.nearest("OPENAI/GPT-OSS-120B")[0] == "openai/gpt-oss-120b"


def test_a_wrong_publisher_is_found_by_the_models_name_among_many() -> None:
    many = [f"p{n}/m{n}" for n in range(5000)]
    assert Spellings([*many, "openai/gpt-oss-120b"]).nearest("opneai/gpt-oss-120b") == ["openai/gpt-oss-120b"]


def test_at_most_three_are_named() -> None:
    assert len(Spellings([f"acme/one-{n}" for n in range(50)]).nearest("acme/one")) == 3


def test_the_nearest_word_keeps_its_own_case() -> None:
    assert nearest_word("Fastets", ["fastest", "cheapest"]) == "fastest"
    assert nearest_word("Groq2", ["Groq"]) == "Groq"
    assert nearest_word("zzz", ["fastest"]) is None
