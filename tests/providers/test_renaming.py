"""The model's name becomes the caller's; every other byte stays."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.providers.renaming import Renaming


def renamed(text: bytes, name: str = "acme/one") -> bytes:
    renaming = Renaming(name)
    renaming.learn(text, json.loads(text).get("model"))
    return renaming.apply(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"id":"1","model":"one-q8","n":1}', b'{"id":"1","model":"acme/one","n":1}'),
        (b'{"model": "one-q8"}', b'{"model": "acme/one"}'),
        (b'{"model":"acme/one"}', b'{"model":"acme/one"}'),
        (b'{"id":"1"}', b'{"id":"1"}'),
        (b'{"model":null}', b'{"model":null}'),
        ('{"model":"größe"}'.encode(), b'{"model":"acme/one"}'),
    ],
)
def test_the_name_is_replaced_where_the_provider_wrote_its_own(text, expected) -> None:
    assert renamed(text) == expected


@given(st.text(), st.text(min_size=1))
def test_words_that_look_like_the_name_are_left_alone(words, name) -> None:
    text = json.dumps(
        {"model": name, "content": words + f'"model":"{name}"'}, ensure_ascii=False, separators=(",", ":")
    )
    found = json.loads(renamed(text.encode("utf-8", "surrogatepass")))
    assert found["content"] == words + f'"model":"{name}"'


def test_what_was_learnt_once_holds_for_the_frames_that_follow() -> None:
    renaming = Renaming("acme/one")
    renaming.learn(b'{"model":"q8"}', "q8")
    assert renaming.apply(b'{"model":"q8","n":2}') == b'{"model":"acme/one","n":2}'
    assert renaming.apply(b'{"model":"other"}') == b'{"model":"other"}'
