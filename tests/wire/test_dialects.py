"""A chat body is read once, and what we do not read passes byte for byte."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.domain.chat import Need
from waypost.domain.problems import Refusal
from waypost.wire.dialects import read_chat, upstream_body

MESSAGES = [{"role": "user", "content": "hello"}]


def body(**fields: object) -> bytes:
    return json.dumps({"model": "acme/one", "messages": MESSAGES, **fields}).encode()


def test_the_tag_is_told_from_the_model() -> None:
    ask = read_chat(body(model="acme/one:cheapest"))
    assert (ask.model, ask.tag, ask.asked) == ("acme/one", "cheapest", "acme/one:cheapest")


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "a b"])
@pytest.mark.parametrize("pinned", [None, "ollama"])
def test_a_name_that_no_model_can_have_is_refused_on_every_path(name: str, pinned: str | None) -> None:
    with pytest.raises(Refusal, match="`model` must be"):
        read_chat(body(model=name), pinned=pinned)


def test_a_pinned_path_takes_the_providers_own_id_whole() -> None:
    ask = read_chat(body(model="llama3:8b"), pinned="ollama")
    assert (ask.model, ask.tag, ask.pinned) == ("llama3:8b", None, "ollama")


def test_unknown_fields_pass_byte_for_byte() -> None:
    raw = b'{"model":"acme/one","messages":[{"role":"user","content":"x"}],"odd": {"a" : [1.50, 1e3]},"seed":7}'
    sent = upstream_body(read_chat(raw), "one-at-alpha")
    assert b'"odd":{"a" : [1.50, 1e3]}' in sent
    assert json.loads(sent) == {**json.loads(raw), "model": "one-at-alpha"}


def test_usage_is_always_asked_of_a_stream_and_other_options_stay() -> None:
    ask = read_chat(body(stream=True, stream_options={"include_usage": False, "x": 1}))
    assert not ask.wants_usage
    assert json.loads(upstream_body(ask, "m"))["stream_options"] == {"include_usage": True, "x": 1}
    assert json.loads(upstream_body(read_chat(body(stream=True)), "m"))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in json.loads(upstream_body(read_chat(body()), "m"))


def test_fields_a_provider_refuses_are_left_out_for_it() -> None:
    assert "store" not in json.loads(upstream_body(read_chat(body(store=True)), "m", ("store",)))


def test_needs_are_read_from_tools_format_and_images() -> None:
    assert read_chat(body()).needs is Need.NOTHING
    assert read_chat(body(tools=[])).needs is Need.NOTHING
    assert read_chat(body(tools=[{"type": "function"}])).needs is Need.TOOLS
    assert read_chat(body(response_format={"type": "text"})).needs is Need.NOTHING
    for kind in ("json_object", "json_schema", "regex"):
        assert read_chat(body(response_format={"type": kind, "value": {}})).needs is Need.STRUCTURED_OUTPUT


def test_an_image_counts_as_an_image_and_not_by_the_length_of_its_address() -> None:
    parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:" + "x" * 100_000}}]
    ask = read_chat(body(messages=[{"role": "user", "content": parts}, {"role": "user", "content": "hm"}]))
    assert ask.images == 1
    assert ask.needs is Need.IMAGES
    assert ask.input_tokens_max < 100


def test_text_that_talks_about_image_url_is_text() -> None:
    assert read_chat(body(messages=[{"role": "user", "content": 'the "image_url" key'}])).images == 0


@given(st.text(max_size=300))
def test_the_input_bound_is_never_below_the_bytes_of_the_text(text: str) -> None:
    ask = read_chat(body(messages=[{"role": "user", "content": text}]))
    assert ask.input_tokens_max >= len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_answers_cap_is_read_from_either_field(field: str) -> None:
    assert read_chat(body(**{field: 9})).output_tokens_max == 9
    assert read_chat(body(**{field: None})).output_tokens_max is None


BAD = {
    "empty": (b"", None),
    "not json": (b"{", None),
    "a list": (b"[]", None),
    "bad utf-8": (b'{"model":"a/b","messages":[],"x":"\xff"}', None),
    "deep": (b'{"model":"a/b","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    "no model": (json.dumps({"messages": MESSAGES}).encode(), "model"),
    "number model": (body(model=7), "model"),
    "null model": (body(model=None), "model"),
    "space in model": (body(model="a b"), "model"),
    "control in model": (body(model="a\x00b"), "model"),
    "long model": (body(model="m" * 300), "model"),
    "two tags": (body(model="a/b:c:d"), "model"),
    "empty tag": (body(model="a/b:"), "model"),
    "no messages": (b'{"model":"a/b"}', "messages"),
    "empty messages": (body(messages=[]), "messages"),
    "text messages": (body(messages="hello"), "messages"),
    "message without role": (body(messages=[{"content": "x"}]), "messages"),
    "stream as text": (body(stream="yes"), "stream"),
    "options as list": (body(stream_options=[]), "stream_options"),
    "tools as object": (body(tools={}), "tools"),
    "format as text": (body(response_format="json"), "response_format"),
    "zero tokens": (body(max_tokens=0), "max_tokens"),
    "text tokens": (body(max_tokens="5"), "max_tokens"),
    "float tokens": (body(max_tokens=1.5), "max_tokens"),
    "huge n": (body(n=10_000), "n"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_with_the_field_and_the_fix(name: str) -> None:
    raw, param = BAD[name]
    with pytest.raises(Refusal) as caught:
        read_chat(raw)
    assert caught.value.code in ("invalid_request", "unknown_policy")
    assert caught.value.status == 400
    assert caught.value.param == param
    assert caught.value.fix


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["model", "messages", "stream", "stream_options", "tools", "response_format", "max_tokens", "n", "x"]


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_any_object_is_either_understood_or_refused(fields: dict) -> None:
    raw = msgspec.json.encode(fields)
    try:
        ask = read_chat(raw)
    except Refusal:
        return
    assert json.loads(upstream_body(ask, "native"))["model"] == "native"
