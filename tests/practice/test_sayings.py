"""What the practice models say: one rule a kind of prompt, and a voice for everything else."""

import pytest
from practiceclient import understood

from waypost.practice.answers import answer
from waypost.practice.sayings import VOICES, topic_of, voice_of


def text(prompt, **fields):
    return "".join(answer(understood(prompt, **fields)).choices[0].content)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Reply with exactly OK", "OK"),
        ("reply with exactly: OK.", "OK"),
        ("Reply with exactly OK and nothing else.", "OK"),
        ("Please answer with just the word blue\nThanks", "blue"),
        ("Say exactly 'good morning' to me", "good morning"),
        ("Respond with only yes", "yes"),
        ("echo: žluťoučký  kůň 🦜\nline two", "žluťoučký  kůň 🦜\nline two"),
        ("echo:", ""),
        ("What is 12 * 12?", "12 * 12 = 144"),
        ("what is 1 / 0", "1 / 0 has no answer."),
        ("Count to 5 please", "1, 2, 3, 4, 5"),
    ],
)
def test_a_prompt_with_one_right_answer_gets_it(prompt, said):
    assert text(prompt) == said


def test_the_same_request_gets_the_same_words_and_another_seed_others():
    prompt = "How do I bake sourdough bread?"
    assert text(prompt) == text(prompt)
    assert len({text(prompt, seed=seed) for seed in range(12)}) > 1


def test_the_text_of_a_request_is_fixed_for_ever():
    assert text("How do I bake bread?") == (
        "Bake bread? bake bread! I like the sound of it. A parrot repeats what it hears, and I heard every word. "
        "I have turned it over twice and it is still bake bread. Shall I say it again?"
    )


def test_every_model_has_its_own_voice():
    said = {
        name: "".join(answer(understood("Tell me of rain", model=name)).choices[0].content)
        for name in ("practice/parrot", "practice/sage", "practice/painter", "meta/llama")
    }
    assert len(set(said.values())) == 4


def test_asking_for_500_words_gives_500_words():
    assert len(text("Write 500 words about the sea").split()) == 500


def test_the_last_voice_fits_every_model():
    assert voice_of("Qwen/Qwen3.5-9B") is VOICES[-1]
    assert voice_of("sage-turbo").name == "sage"


def test_braces_in_a_prompt_are_words_like_others():
    assert text("Tell me about {topic} and {0.__class__}")


def test_the_topic_is_the_few_telling_words():
    assert topic_of(understood("Please tell me about the history of lighthouses")) == "history lighthouses"
    assert topic_of(understood("?")) == "that"


def test_a_huge_count_ends_somewhere():
    assert text("count to 999999").endswith("10000")


@pytest.mark.parametrize("role", ["tool", "function"])
def test_a_tools_answer_without_a_call_before_it_is_told_all_the_same(role):
    assert text("", messages=[{"role": role, "content": "42"}]) == "The tool answered 42."
