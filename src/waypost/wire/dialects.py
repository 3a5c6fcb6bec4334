"""OpenAI's chat dialect to our words and back. Pure.

A body is decoded once into its top-level values as raw JSON text; only what routing must know is read further, and
everything else travels to the provider as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from waypost.domain.chat import ChatRequest, Need
from waypost.domain.problems import Refusal

MESSAGE_OVERHEAD_TOKENS = 8
TOOL_OVERHEAD_TOKENS = 32
CHOICES_MAX = 128
MODEL_CHARS_MAX = 256
TAG_CHARS_MAX = 64
MESSAGES_MAX = 100_000
STRUCTURED_TYPES = frozenset({"json_object", "json_schema", "json", "regex", "grammar"})

Fields = dict[str, Any]
"""Top-level values of a body as `msgspec.Raw`."""


class Message(msgspec.Struct):
    """What we look at in a message; the rest is the provider's business."""

    role: str
    content: msgspec.Raw = msgspec.Raw()


class Part(msgspec.Struct):
    """A piece of a message's content."""

    type: str = ""
    text: msgspec.Raw = msgspec.Raw()


class StreamOptions(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct):
    """`response_format`, in OpenAI's shape or in Hugging Face's `{type, value}`."""

    type: str = "text"


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_messages = msgspec.json.Decoder(list[Message])
_flag = msgspec.json.Decoder(bool | None)
_count = msgspec.json.Decoder(int | None)
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_stream_options = msgspec.json.Decoder(StreamOptions | None)
_format = msgspec.json.Decoder(ResponseFormat | None)
_parts = msgspec.json.Decoder(list[Part] | str | None)
_encode = msgspec.json.Encoder().encode
_with_usage = msgspec.Raw(b'{"include_usage":true}')


def read_chat(body: bytes, pinned: str | None = None) -> ChatRequest:
    """Understand a chat body. Where the path pins a provider, the model is that provider's own id and has no tag.

    Raises Refusal `invalid_request`, naming the field and what it must be.
    """
    fields = _read_fields(body)
    asked = _read(fields, "model", _text, 'a string such as "publisher/name"', required=True)
    model, tag = (asked, None) if pinned else _split_model(asked)
    messages = _read(fields, "messages", _messages, "a list of objects with a role", required=True)
    if not messages or len(messages) > MESSAGES_MAX:
        raise _invalid("messages", f"a list of 1 to {MESSAGES_MAX} messages", f"it has {len(messages)}")
    stream = _read(fields, "stream", _flag, "true or false")
    needs, tools = _needs(fields)
    images, text_bytes = _content(fields["messages"], messages)
    if images:
        needs |= Need.IMAGES
    options = _read(fields, "stream_options", _stream_options, 'an object such as {"include_usage": true}')
    return ChatRequest(
        model=model,
        tag=tag,
        asked=asked,
        stream=bool(stream),
        wants_usage=bool(stream and options and options.include_usage),
        needs=needs,
        input_tokens_max=text_bytes + _schema_bytes(fields) + MESSAGE_OVERHEAD_TOKENS * len(messages) + tools,
        images=images,
        output_tokens_max=_output_cap(fields),
        choices=_choices(fields),
        fields=fields,
        pinned=pinned,
    )


def upstream_body(ask: ChatRequest, native_id: str, drop_fields: tuple[str, ...] = ()) -> bytes:
    """The caller's body for one endpoint: its id there, usage always asked for, refused fields left out."""
    fields: Fields = dict(ask.fields)
    fields["model"] = native_id
    if ask.stream:
        fields["stream_options"] = _stream_options_with_usage(fields.get("stream_options"))
    for name in drop_fields:
        fields.pop(name, None)
    return _encode(fields)


def _stream_options_with_usage(given: Any) -> Any:
    if given is None or bytes(given) in (b"null", b"{}"):
        return _with_usage
    return {**_fields.decode(given), "include_usage": True}


def _read_fields(body: bytes) -> Fields:
    if not body:
        raise Refusal(
            "invalid_request",
            "The body is empty; it must be a JSON object.",
            fix='Send {"model": "…", "messages": [{"role": "user", "content": "…"}]}.',
        )
    try:
        if not body.isascii():
            body.decode()  # what we do not read is not checked by the decoder
        return _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(
            "invalid_request", "The body must be a JSON object.", why=str(error), fix="Send valid JSON in UTF-8."
        ) from None
    except RecursionError:
        raise Refusal("invalid_request", "The body is nested too deeply.", fix="Send a flatter object.") from None


def _read(fields: Fields, name: str, decoder: Any, must_be: str, *, required: bool = False) -> Any:
    raw = fields.get(name)
    if raw is None:
        if required:
            raise _invalid(name, must_be, "it is missing")
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _invalid(name, must_be, str(error)) from None


def _invalid(name: str, must_be: str, why: str) -> Refusal:
    return Refusal("invalid_request", f"`{name}` must be {must_be}.", why=why, fix=f"Correct `{name}`.", param=name)


def _split_model(asked: str) -> tuple[str, str | None]:
    model, colon, tag = asked.partition(":")
    if not model or not asked.isprintable() or " " in asked or len(model) > MODEL_CHARS_MAX or len(tag) > TAG_CHARS_MAX:
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


def _needs(fields: Fields) -> tuple[Need, int]:
    """What the request needs, and the overhead of its tools in tokens."""
    needs = Need.NOTHING
    tools = _read(fields, "tools", _tools, "a list of tool objects")
    if tools:
        needs |= Need.TOOLS
    answer = _read(fields, "response_format", _format, "an object with a type")
    if answer is not None and answer.type in STRUCTURED_TYPES:
        needs |= Need.STRUCTURED_OUTPUT
    return needs, TOOL_OVERHEAD_TOKENS * len(tools or ())


def _schema_bytes(fields: Fields) -> int:
    return sum(len(bytes(fields[name])) for name in ("tools", "response_format") if name in fields)


def _content(raw: Any, messages: list[Message]) -> tuple[int, int]:
    """How many images there are, and the bytes of everything that is text."""
    whole = bytes(raw)
    if b'"image_url"' not in whole:
        return 0, len(whole)
    images = text_bytes = 0
    for message in messages:
        for part in _message_parts(message):
            if part.type == "image_url":
                images += 1
            text_bytes += len(bytes(part.text))
    return images, text_bytes


def _message_parts(message: Message) -> list[Part]:
    if not bytes(message.content):
        return []
    try:
        parts = _parts.decode(message.content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("messages", "messages whose content is a string or a list of parts", str(error)) from None
    return parts if isinstance(parts, list) else [Part(type="text", text=message.content)]


def _output_cap(fields: Fields) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        cap = _read(fields, name, _count, "a whole number of at least 1")
        if cap is not None:
            if cap < 1:
                raise _invalid(name, "a whole number of at least 1", f"it is {cap}")
            return int(cap)
    return None


def _choices(fields: Fields) -> int:
    choices = _read(fields, "n", _count, f"a whole number from 1 to {CHOICES_MAX}")
    if choices is None:
        return 1
    if not 1 <= choices <= CHOICES_MAX:
        raise _invalid("n", f"a whole number from 1 to {CHOICES_MAX}", f"it is {choices}")
    return int(choices)
