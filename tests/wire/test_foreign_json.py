"""Half a character does not make JSON unreadable; bytes that are no text do."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.wire.foreign_json import UNREADABLE, read_foreign, without_halves

HALVES = st.text(st.characters(categories=["Cs", "Lu", "So"], include_characters='\\"/\n'))
"""Halves of characters among whole ones, and what JSON escapes."""
_decode = msgspec.json.decode


@given(st.recursive(HALVES, lambda inner: st.lists(inner) | st.dictionaries(HALVES, inner)))
def test_what_other_programs_read_can_be_read(value) -> None:
    text = json.dumps(value).encode()
    assert len(without_halves(text)) == len(text)
    assert isinstance(read_foreign(_decode, text), type(value))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whole_characters_stay_as_they_are(text: str) -> None:
    assert read_foreign(_decode, json.dumps(text).encode()) == text
    assert read_foreign(_decode, json.dumps(text, ensure_ascii=False).encode()) == text
    assert without_halves(json.dumps(text).encode()) == json.dumps(text).encode()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_a_half_reads_as_a_replacement(text: bytes, read: str) -> None:
    assert read_foreign(_decode, text) == read


@pytest.mark.parametrize("text", [b"", b"{", rb'{"a":\ud83d}', rb'"\ud8"', b"NaN", rb'"\x"', b'"\xff"', b"[" * 99_999])
def test_what_is_no_json_is_unreadable(text: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read_foreign(_decode, text)


def test_bytes_that_are_no_text_are_unreadable_also_where_nobody_looks() -> None:
    with pytest.raises(UNREADABLE):
        read_foreign(msgspec.json.Decoder(dict[str, msgspec.Raw]).decode, b'{"a":"caf\xe9"}')
