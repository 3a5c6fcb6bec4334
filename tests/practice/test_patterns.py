"""Text written from a pattern matches it, and what cannot be written is said, not guessed."""

import re

import pytest

from waypost.practice.patterns import Unsupported, matching


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{3}-\d{4}$",
        r"[a-z]+@[a-z]+\.com",
        r"(foo|bar){2,}",
        r"[^a-zA-Z]x?",
        r"^(?:[A-Z]{2})\s\d*$",
        r"[]a]",
        r"[a-]",
        r"[\w.-]+",
        r"\$\d+\.\d{2}",
        r"a|b|c",
        r"\bword\b",
        r"\D\W\S",
        r"(a(b(c)?)+)*?",
        r"[^\w -]",
        r"[^\D]",
        "",
    ],
)
def test_the_text_matches_its_pattern(pattern):
    assert re.fullmatch(pattern, matching(pattern))


@pytest.mark.parametrize(("least", "most"), [(0, 5), (1, 1), (20, 25), (3000, 3001), (7, None)])
def test_open_counts_stretch_to_the_length_that_is_asked(least, most):
    text = matching(r"[a-z]+", least, most)
    assert len(text) >= least
    assert most is None or len(text) <= most


@pytest.mark.parametrize(
    "pattern",
    [
        *("(" * 5000, "(" * 60 + ")" * 60, "(((a{999}){999}){999})", "a{99999999}", "[", "(?=x)", "(?P<n>x)"),
        *(r"\1", "*", "[z-a]", r"\p{L}", "a{2", ")", "(a", "\\", "a{x}", r"[^\s\S]"),
    ],
)
def test_what_cannot_be_written_is_refused(pattern):
    with pytest.raises(Unsupported):
        matching(pattern)


def test_a_length_that_no_count_can_reach_is_refused():
    with pytest.raises(Unsupported):
        matching("abc", 10)
    with pytest.raises(Unsupported):
        matching("abc", 0, 2)
