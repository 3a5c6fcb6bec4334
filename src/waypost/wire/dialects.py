"""OpenAI's chat dialect to our words and back. Pure.

A body is decoded once into its top-level values as raw JSON text; only what routing must know is read further, and
everything else travels to the provider as it came.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from waypost.domain.chat import ChatRequest, Need
from waypost.domain.problems import Refusal
from waypost.wire.formats import reshaped

MESSAGE_OVERHEAD_TOKENS = 8
TOOL_OVERHEAD_TOKENS = 32
CHOICES_MAX = 128
MODEL_CHARS_MAX = 256
TAG_CHARS_MAX = 64
MESSAGES_MAX = 100_000
NOTHING, STRUCTURED = Need.NOTHING, Need.STRUCTURED_OUTPUT
"""Named here, because a member of an enum is looked up by a function of Python's."""
STRUCTURED_TYPES = frozenset({"json_object", "json_schema", "json", "regex", "grammar"})

Fields = dict[str, Any]
"""Top-level values of a body as `msgspec.Raw`."""


class Message(msgspec.Struct, gc=False):
    """What we look at in a message; the rest is the provider's business."""

    role: str


class Part(msgspec.Struct, gc=False):
    """A piece of a message's content."""

    type: str = ""
    text: msgspec.Raw = msgspec.Raw()


class Parted(msgspec.Struct, gc=False):
    """A message whose content may be in parts."""

    content: list[Part] | str | None = None


class StreamOptions(msgspec.Struct, gc=False):
    """`stream_options`."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, gc=False):
    """`response_format`, in OpenAI's shape or in Hugging Face's `{type, value}`."""

    type: str = "text"


Tokens = Annotated[int, msgspec.Meta(ge=1)]


class ChatBody(msgspec.Struct, gc=False):
    """The fields that routing must know."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, msgspec.Raw]] | None = None
    response_format: ResponseFormat | None = None
    max_completion_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)] | None = None


MUST_BE = {
    "model": 'a string such as "publisher/name"',
    "messages": f"a list of 1 to {MESSAGES_MAX} objects with a role",
    "stream": "true or false",
    "stream_options": 'an object such as {"include_usage": true}',
    "tools": "a list of tool objects",
    "response_format": "an object with a type",
    "max_completion_tokens": "a whole number of at least 1",
    "max_tokens": "a whole number of at least 1",
    "n": f"a whole number from 1 to {CHOICES_MAX}",
}
"""Field → what it must be, for the refusal."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_body = msgspec.json.Decoder(ChatBody).decode
_parted = msgspec.json.Decoder(list[Parted]).decode
_encode = msgspec.json.Encoder().encode
_with_usage = msgspec.Raw(b'{"include_usage":true}')
_field_of_error = re.compile(r"at `\$\.(\w+)|missing required field `(\w+)`")


def read_chat(body: bytes, pinned: str | None = None) -> ChatRequest:
    """Understand a chat body. Where the path pins a provider, the model is that provider's own id and has no tag.

    Raises Refusal `invalid_request`, naming the field and what it must be.
    """
    fields, chat = _decode(body)
    asked = chat.model
    model, tag = _split_model(asked, pinned=bool(pinned))
    needs = NOTHING
    overhead = MESSAGE_OVERHEAD_TOKENS * len(chat.messages)
    if chat.tools:
        needs |= Need.TOOLS
        overhead += TOOL_OVERHEAD_TOKENS * len(chat.tools)
    if chat.response_format is not None and chat.response_format.type in STRUCTURED_TYPES:
        needs |= Need.STRUCTURED_OUTPUT
    images = 0
    text_bytes = len(body)
    if b'"image_url"' in body:
        images, text_bytes = _weigh_parts(fields)
        needs |= Need.IMAGES if images else NOTHING
    stream = bool(chat.stream)
    options = chat.stream_options if stream else None
    return ChatRequest(
        model,
        tag,
        asked,
        stream,
        options is not None and bool(options.include_usage),
        needs,
        text_bytes + overhead,
        images,
        chat.max_completion_tokens or chat.max_tokens,
        chat.n or 1,
        fields,
        pinned,
    )


def upstream_body(
    ask: ChatRequest,
    native_id: str,
    drop_fields: tuple[str, ...] = (),
    schema_shape: str = "openai",
    output_cap: int | None = None,
) -> bytes:
    """The caller's body for one endpoint.

    Its id there, usage asked for, its shape of schema, no refused fields; a cap on the answer where credits set one.
    """
    fields: Fields = dict(ask.fields)
    fields["model"] = native_id
    if output_cap is not None:
        fields["max_tokens"] = output_cap
    if ask.stream:
        fields["stream_options"] = _stream_options_with_usage(fields.get("stream_options"))
    if "response_format" in fields and ask.needs & STRUCTURED:
        fields["response_format"] = reshaped(fields["response_format"], schema_shape)
    for name in drop_fields:
        fields.pop(name, None)
    return _encode(fields)


def _stream_options_with_usage(given: Any) -> Any:
    if given is None or bytes(given) in (b"null", b"{}"):
        return _with_usage
    return {**_fields(given), "include_usage": True}


def _decode(body: bytes) -> tuple[Fields, ChatBody]:
    try:
        if not body.isascii():
            body.decode()  # what we do not read is not checked by the decoder
        return _fields(body), _body(body)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error) if body else "it is empty") from None
    except RecursionError:
        raise _unreadable("it is nested too deeply") from None


def _unreadable(why: str) -> Refusal:
    return Refusal(
        "invalid_request",
        "The body must be a JSON object.",
        why=why,
        fix='Send valid JSON in UTF-8: {"model": "…", "messages": [{"role": "user", "content": "…"}]}.',
    )


def _misfit(error: str) -> Refusal:
    """Turn the decoder's words into the field and what it must be."""
    found = _field_of_error.search(error)
    name = (found[1] or found[2]) if found else None
    if name == "role":
        name = "messages"
    return _invalid(name, MUST_BE[name], error) if name in MUST_BE else _unreadable(error)


def _invalid(name: str, must_be: str, why: str) -> Refusal:
    return Refusal("invalid_request", f"`{name}` must be {must_be}.", why=why, fix=f"Correct `{name}`.", param=name)


def _split_model(asked: str, *, pinned: bool) -> tuple[str, str | None]:
    model, colon, tag = asked, "", ""
    if ":" in asked and not pinned:
        model, colon, tag = asked.partition(":")
    if not model or len(model) > MODEL_CHARS_MAX or len(tag) > TAG_CHARS_MAX or not asked.isprintable() or " " in asked:
        raise _invalid("model", "publisher/name, or publisher/name:policy", f"it is {asked[:MODEL_CHARS_MAX]!r}")
    if colon and (not tag or ":" in tag):
        raise Refusal(
            "unknown_policy",
            f"{asked!r} must have one tag after one colon, or none.",
            why="one tag only: a policy or a provider",
            fix=f"Use {model}:fastest, {model}:cheapest, {model}:preferred or {model}:<provider>.",
            param="model",
        )
    return model, tag or None


def _weigh_parts(fields: Fields) -> tuple[int, int]:
    """How many images there are, and the bytes of everything else that is read as text."""
    try:
        messages = _parted(fields["messages"])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("messages", "messages whose content is a string or a list of parts", str(error)) from None
    images = 0
    text_bytes = sum(len(bytes(raw)) for name, raw in fields.items() if name != "messages")
    for message in messages:
        if isinstance(message.content, str):
            text_bytes += len(message.content.encode("utf-8", "surrogatepass"))
        for part in message.content if isinstance(message.content, list) else ():
            images += part.type == "image_url"
            text_bytes += len(bytes(part.text))
    return images, text_bytes
